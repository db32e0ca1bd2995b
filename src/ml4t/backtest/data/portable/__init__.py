"""Portable: a ranking as one query for an engine of another kind."""
