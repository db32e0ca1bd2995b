"""An order at the open is cut to a share of what its bar will trade."""


def feature(raw):
    wanted = 1e6 * (raw["close"] > raw["close"].rolling(20).mean()).astype(float).shift(1)
    return wanted.fillna(0.0).clip(upper=0.1 * raw["volume"])


def signal(raw):
    return (raw["close"] > raw["close"].rolling(20).mean()).astype(float)
