"""Limits: what the portfolio may hold."""
