"""Clean: the rank of a return among those of the assets at the bar."""


def feature(raw):
    changes = raw[["close", "close_b", "close_c"]].pct_change()
    return changes.rank(axis=1)["close"]


def signal(raw):
    value = feature(raw)
    return (value > 1.5).astype(float)
