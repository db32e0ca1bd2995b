"""Serving: saved runs for programs and people that ask again and again, read-only."""
