"""A rolling mean whose window has the bar in its middle."""


def feature(raw):
    return raw["close"].rolling(5, center=True).mean()


def signal(raw):
    value = feature(raw)
    return (value > raw["close"]).astype(float)
