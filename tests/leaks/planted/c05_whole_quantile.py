"""Whether a close is above a quantile of all closes, later ones too."""


def feature(raw):
    return (raw["close"] > raw["close"].quantile(0.7)).astype(float)


def signal(raw):
    value = feature(raw)
    return (value < 1).astype(float)
