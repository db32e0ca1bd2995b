"""Thirty ways to know the future, each as a file of its own, and five that do not."""
