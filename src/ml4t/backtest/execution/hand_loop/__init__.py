"""Loops written by hand: when an order meets the engine's broker. The engine uses none of it."""
