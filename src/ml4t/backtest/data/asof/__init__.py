"""As-of: what was known at each bar, as views and as lookups."""
