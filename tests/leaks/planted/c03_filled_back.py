"""Earnings at the ends of periods, filled backward into the bars before."""


def feature(raw):
    return raw["earnings"].bfill()


def signal(raw):
    value = feature(raw)
    return (value > 2).astype(float)
