"""Clean: a z-score by the mean and deviation of the closes so far."""


def feature(raw):
    past = raw["close"].expanding(20)
    return (raw["close"] - past.mean()) / past.std()


def signal(raw):
    value = feature(raw)
    return (value < 0).astype(float)
