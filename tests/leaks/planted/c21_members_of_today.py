"""Members are those of today's index, on every bar."""


def feature(raw):
    return raw["is_member_today"] * (raw["close"] / raw["close"].shift(20) - 1)


def signal(raw):
    value = feature(raw)
    return (value > 0).astype(float)
