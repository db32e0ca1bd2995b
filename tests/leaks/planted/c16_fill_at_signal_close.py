"""A position earns the return of the bar whose close decided it."""


def feature(raw):
    position = (raw["close"] > raw["close"].rolling(20).mean()).astype(float)
    return position * raw["close"].pct_change().fillna(0.0)


def signal(raw):
    return (raw["close"] > raw["close"].rolling(20).mean()).astype(float)
