"""Keeping: a run in files, written whole and read with suspicion."""
