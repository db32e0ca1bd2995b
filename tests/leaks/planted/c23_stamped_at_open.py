"""Bars of ten minutes carry the time at which they begin."""


def feature(raw):
    return raw["close"] / raw["close"].shift(20) - 1


def signal(raw):
    value = feature(raw)
    return (value > 0).astype(float)
