"""Query: an SQL query that says what to hold, before it is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from ml4t.backtest.core.by_value import keep_plain
from ml4t.backtest.core.ranking import ALL, Ranking
from ml4t.backtest.errors import ConfigError

# What a query can say of an asset: a share of equity, shares, or to enter and to leave.
QueryKind = Literal["weight", "quantity", "signal"]
KINDS: tuple[QueryKind, ...] = ("weight", "quantity", "signal")


class Counted(NamedTuple):
    """A condition as it is shown, how often it was true, and of how many rows."""

    text: str
    true: int
    of: int

    def and_more(self, other: Counted) -> Counted:
        """Return the counts of both together."""
        return Counted(self.text, self.true + other.true, self.of + other.of)


class OverAll(str):
    """A query over ``ranked`` that means nothing over the best n: it asks for the worst too."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A SELECT over ``signals``, ``market`` and ``ranked``, and the bars that it decides on.

    Attributes
    ----------
    text : str
        Yields ``timestamp``, ``asset_id`` and one of ``weight`` (fraction of equity),
        ``quantity`` (shares, positive = long) and ``signal`` (above 0 enters, below 0 leaves).
        A column ``score`` is kept with the selection; by ``rank`` (1 first) its rows are ordered.
    ranking : Ranking or None
        Gives the query the relation ``ranked``, and its own decision bars.
    every, offset, when, min_trade, band
        As in `Ranking`; only without one.
    kinds : tuple of {"weight", "quantity", "signal"}
        What whoever asks can act on.
    """

    text: str
    ranking: Ranking | None = None
    every: int | str = 1
    offset: int = 0
    when: str | None = None
    kinds: tuple[QueryKind, ...] = ("weight", "quantity")
    min_trade: float = 0.0
    band: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip():
            raise ConfigError(f"query must be an SQL SELECT, was {self.text!r}")
        if self.ranking is None:
            # The same words, held to the same rules.
            own = Ranking(
                n=1, by="0", every=self.every, offset=self.offset, when=self.when,
                min_trade=self.min_trade, band=self.band,
            )  # fmt: skip
            object.__setattr__(self, "every", own.every)
            object.__setattr__(self, "offset", own.offset)
            keep_plain(self)
        elif not isinstance(self.ranking, Ranking):
            raise ConfigError(f"ranking must be a Ranking, was {self.ranking!r}")
        elif isinstance(self.text, OverAll) and self.ranking.n != ALL:
            raise ConfigError(
                f"a long-short query is short the worst of what is ranked, and n={self.ranking.n} "
                "of its ranking keeps the best alone; write n='all', and how many are on each "
                "side in the recipe: recipes.long_short(quantiles=10), or a fraction"
            )
        elif (self.every, self.offset, self.when, self.min_trade, self.band) != (
            1, 0, None, 0.0, 0.0,
        ):  # fmt: skip
            raise ConfigError(
                "every, offset, when, min_trade and band stand in the ranking where there is one, "
                "as in SQLStrategy(query, ranking=Ranking(n=25, by='score', every=5))"
            )
        object.__setattr__(self, "text", str(self.text))  # what is recorded is a text

    @property
    def schedule(self) -> Ranking:
        """What says which bars are decision bars, by its every, offset and when."""
        if self.ranking is not None:
            return self.ranking
        return Ranking(n=1, by="0", every=self.every, offset=self.offset, when=self.when)


class RuleQuery(NamedTuple):
    """What declarative rules ask of signals and context, as the places of a query.

    Attributes
    ----------
    previous : str
        Columns of the bar before.
    may_enter, may_exit : str
        Predicates.
    entry_rules : tuple of (str, str)
        Each entry rule that asks of more than the position: as it is shown, and its predicate.
    """

    previous: str
    may_enter: str
    may_exit: str
    entry_rules: tuple[tuple[str, str], ...]


class Selects(Protocol):
    """What chooses assets in SQL: a strategy that ranks, has a query, or has rules."""

    @property
    def features(self) -> tuple[str, ...]:
        """Columns of signals or market that its handler reads."""
        ...

    @property
    def conditions(self) -> tuple[str, ...]:
        """The SQL conditions of its rules."""
        ...

    @property
    def expressions(self) -> tuple[str, ...]:
        """SQL inside of them that is checked on its own."""
        ...

    def rules(self) -> RuleQuery | None:
        """Return what its rules ask; None: it has none."""
        ...

    def ranking(self) -> Ranking | None:
        """Return what to rank; None: nothing."""
        ...

    def query(self) -> Query | None:
        """Return the query that says what to hold; None: the ranking says it."""
        ...


class Asked(NamedTuple):
    """What a strategy asks of the cross-section, each None where it asks nothing of the kind."""

    ranking: Ranking | None
    query: Query | None
    rules: RuleQuery | None


def asked_of(strategy: Selects) -> Asked:
    """Return what a strategy's class asks; what it keeps on ``self`` by these names is its own."""
    kind = type(strategy)
    return Asked(kind.ranking(strategy), kind.query(strategy), kind.rules(strategy))
