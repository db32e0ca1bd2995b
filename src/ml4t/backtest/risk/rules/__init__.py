"""Rules: what protects one position."""
