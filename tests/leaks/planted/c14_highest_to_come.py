"""A cumulative maximum from the last bar back: how high the close will go."""


def feature(raw):
    return raw["close"][::-1].cummax()[::-1] / raw["close"]


def signal(raw):
    value = feature(raw)
    return (value > 1.02).astype(float)
