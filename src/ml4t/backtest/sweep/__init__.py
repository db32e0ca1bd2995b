"""Sweeps: many trials, the folds they are made on, and what is left of the best of them."""
