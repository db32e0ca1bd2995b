"""Costs: what a fill pays beside its price, and what time costs."""
