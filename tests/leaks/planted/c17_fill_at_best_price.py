"""Every purchase is made at the low of its bar, every sale at its high."""


def feature(raw):
    position = (raw["close"] > raw["close"].rolling(20).mean()).astype(float).shift(1).fillna(0.0)
    change = position.diff().fillna(0.0)
    price = raw["low"].where(change > 0, raw["high"].where(change < 0, raw["open"]))
    return change * price


def signal(raw):
    return (raw["close"] > raw["close"].rolling(20).mean()).astype(float)
