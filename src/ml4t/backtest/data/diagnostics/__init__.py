"""Diagnostics: what a signal was worth, and what the sources hold, before any strategy.

`factor` and `event_study` score what was known against what came after; `profile` looks at the
columns of every source. Each is a `Tables`: its rows are read by SQL.
"""
