"""A z-score by the mean and deviation of the whole sample."""


def feature(raw):
    return (raw["close"] - raw["close"].mean()) / raw["close"].std()


def signal(raw):
    value = feature(raw)
    return (value < 0).astype(float)
