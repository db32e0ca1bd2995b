"""Prices are adjusted for splits, and the splits are carried out again."""


def feature(raw):
    shares = raw["split"].fillna(1.0).cumprod()
    return shares * raw["close"]


def signal(raw):
    value = feature(raw)
    return (value > value.shift(20)).astype(float)
