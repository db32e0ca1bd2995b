"""The return of the next bar, by a negative shift."""


def feature(raw):
    return raw["close"].shift(-1) / raw["close"] - 1


def signal(raw):
    value = feature(raw)
    return (value > 0).astype(float)
