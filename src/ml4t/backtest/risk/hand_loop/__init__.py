"""Rules in loops written by hand. The engine uses nothing of it."""
