"""Calendars: the sessions of an exchange, as a source, and the bars that schedules decide on."""
