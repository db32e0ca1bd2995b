"""What runs have read of their sources, kept in a folder and memory-mapped by every process."""
