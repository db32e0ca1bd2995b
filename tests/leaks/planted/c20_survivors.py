"""Prices of those assets alone that are still there at the end."""


def feature(raw):
    return raw["close"] / raw["close"].shift(20) - 1


def signal(raw):
    value = feature(raw)
    return (value > 0).astype(float)
