"""The user's SQL: what expressions and queries may say, and in which order they sum."""
