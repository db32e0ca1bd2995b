"""Selection: from what was known at a bar to what a strategy holds."""
