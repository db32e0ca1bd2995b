"""Clean: the mean of the last five closes."""


def feature(raw):
    return raw["close"].rolling(5).mean()


def signal(raw):
    value = feature(raw)
    return (value < raw["close"]).astype(float)
