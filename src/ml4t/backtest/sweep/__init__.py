"""Sweeps: many trials of one strategy, and what is left of the best one once all are counted."""
