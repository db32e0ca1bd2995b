"""Feeds: thin ways to fill a catalog."""
