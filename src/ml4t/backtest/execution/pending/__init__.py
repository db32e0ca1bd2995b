"""Pending: what waits between a decision and the price at which it fills."""
