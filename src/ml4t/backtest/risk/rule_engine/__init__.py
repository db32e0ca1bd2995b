"""Rule engine: asks the rules of one run, and merges what they say."""
