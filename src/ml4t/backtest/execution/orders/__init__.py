"""Orders: single orders from their request to their end."""
