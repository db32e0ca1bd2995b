"""The VIX of a day's close beside its first bars, by its date."""


def feature(raw):
    return raw["vix"].ffill()


def signal(raw):
    value = feature(raw)
    return (value < 20).astype(float)
