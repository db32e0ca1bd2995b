"""Ranking: what a strategy asks of the cross-section, before any SQL is written."""

from __future__ import annotations

from dataclasses import dataclass

from ml4t.backtest.core.by_value import keep_plain
from ml4t.backtest.core.fractions import RATE, SHARE, require_fraction
from ml4t.backtest.core.schedule import require_every
from ml4t.backtest.errors import (
    ConfigError,
    as_float,
    briefly,
    require_flags,
    require_whole,
    require_within,
)

# Of `n`: whatever can be ranked is kept.
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The top `n` assets per decision bar, in the words of the user's columns.

    Expressions are SQL over the columns of ``signals`` (and ``market``); they are
    checked for look-ahead when the run is prepared.

    Attributes
    ----------
    n : int, float or "all"
        Assets kept per decision bar (per group with `within`): a number of them; a share above 0
        and below 1 of those that can be ranked, such as 0.1 for the best decile and 0.2 for the
        best quintile; or ``"all"``. Fewer than the number: all are kept. Of m a share keeps
        ``max(1, floor(n * m))``, so that of fewer assets than quantiles one is kept. Equal scores
        go by ``asset_id``, the lower first, also at the edge of a quantile.
    by : str
        Score expression. NULL, NaN and infinite scores are never ranked.
    where : str or None
        Eligibility of a row; NULL counts as not eligible.
    when : str or None
        Condition on the market row; a bar where it is not true is not a decision bar.
    weight : str
        ``"equal"`` (1 / n each, whatever is eligible; of a share or ``"all"`` 1 / the kept) or an
        expression over the kept rows.
    every : int or str
        Bar number b (from 1) is a decision bar when ``(b - offset) % every == 0``; or in words,
        such as ``"month_end"``, ``"month_end-2"``, ``"week_start"``, ``"3 weeks"``: see
        docs/calendars.md.
    offset : int
        Bars, below `every`; with ``"3 weeks"`` weeks.
    within : str or None
        Column whose groups are ranked apart; rows with a NULL group are not ranked.
    ascending : bool
        Rank the lowest scores first.
    min_trade : float
        Account currency: a change of a position that is worth less is not made.
    band : float
        Fraction of equity, below 1, by which a held position may be off its target before it is
        traded, then all the way to the target; 0.01 lets a target of 25% be from 24% to 26%. What
        a target of zero closes always trades, and so does what opens or turns a position over.
    """

    n: int | float | str
    by: str
    where: str | None = None
    when: str | None = None
    weight: str = "equal"
    every: int | str = 1
    offset: int = 0
    within: str | None = None
    ascending: bool = False
    min_trade: float = 0.0
    band: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", _kept(self.n))
        every, offset = require_every(self.every, self.offset)
        object.__setattr__(self, "every", every)
        object.__setattr__(self, "offset", offset)
        require_flags(self, "ascending")
        require_within("min_trade", self.min_trade)
        require_fraction("band", self.band, RATE)
        for name in ("by", "where", "when", "weight", "within"):
            value = getattr(self, name)
            is_optional = value is None and name not in ("by", "weight")
            if not is_optional and not (isinstance(value, str) and value.strip()):
                raise ConfigError(f"{name} must be an SQL expression, was {briefly(value)}")
        keep_plain(self)


def _kept(n: object) -> int | float | str:
    """Return how many a ranking keeps: a number, a share, or all."""
    if isinstance(n, str) and n == ALL:
        return ALL
    share = as_float(n)
    if SHARE.holds(share):
        return share
    try:
        return require_whole("n", n, least=1)
    except ConfigError as error:
        raise ConfigError(f"{error}; or a share below 1, as 0.1 for a decile, or 'all'") from None
