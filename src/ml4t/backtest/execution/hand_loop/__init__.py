"""Loops written by hand: a broker of their own. The engine uses nothing of it."""
