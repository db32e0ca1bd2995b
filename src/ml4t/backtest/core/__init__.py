"""What travels between the SQL side and the money side."""
