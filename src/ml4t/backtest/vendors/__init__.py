"""Vendors: one function per layout of a data vendor, from its files to our roles.

Each returns an `Adapted`: ``catalog.register_all(vendors.binance_klines("klines/*.csv"))``. Its
docstring says what is odd about the layout and what is done about it.
"""
