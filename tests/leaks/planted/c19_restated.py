"""Earnings as they were restated later, from the day they were first published on."""


def feature(raw):
    return raw["restated"].ffill()


def signal(raw):
    value = feature(raw)
    return (value > 2).astype(float)
