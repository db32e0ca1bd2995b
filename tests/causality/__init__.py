"""What a proof of causality is held to: queries with a verdict each, and what they do when run."""
