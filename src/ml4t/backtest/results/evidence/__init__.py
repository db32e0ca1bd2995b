"""What a run saw: the bars of what it held, and what was known where it ordered."""
