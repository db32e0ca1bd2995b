"""Shapes: data in memory that is no long table yet, and the one long table that it says."""
