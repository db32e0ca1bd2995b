"""Earnings are used from the end of their period on, a month before they are published."""


def feature(raw):
    return raw["earnings"].ffill()


def signal(raw):
    value = feature(raw)
    return (value > 2).astype(float)
