"""Explaining: the statements of a run, as DuckDB was told them.

1. `explain` opens the sources of a catalog once more, on a database of which a `Transcript` hears,
   and reads them as a run does: the statements are those that ran, so that no list of them can
   be wrong.
2. A `Statement` has its values written in. Rows that Python hands over stand in the script as a
   table of their own.
3. `Explanation` is all of them in order; `Explanation.alone` is one with what it needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.selecting import Selects
from ml4t.backtest.core.terms import Action, Funding, FxRates, Instruments, MarginChange, Roll
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.calendars.years import year_facts
from ml4t.backtest.data.listening import Ask, Listener
from ml4t.backtest.data.selection.conditions import plan_conditions
from ml4t.backtest.data.selection.selecting import SelectionPlan, plan_selection
from ml4t.backtest.data.sql_files import (
    Sql,
    columns_of,
    count_of,
    grain,
    literal,
    plan_of,
    quote,
    render,
    rows_of,
)
from ml4t.backtest.data.stream.batches import batches, plan_batches
from ml4t.backtest.data.stream.period import Bound, Period, find_period
from ml4t.backtest.data.stream.price_limits import has_limit_rates, priced_limits
from ml4t.backtest.data.stream.reader import BatchPlan
from ml4t.backtest.errors import ConfigError

# Rows of a frame that are written out; a script of more could not be pasted anywhere.
MOST_ROWS = 10_000
# Patterns are text, compiled when first used: most processes explain nothing.
# What a $value may not be replaced in: strings, names and comments.
_QUOTED = (
    r"[eE]'(?:\\.|''|[^'\\])*'|'(?:''|[^'])*'|\"(?:\"\"|[^\"])*\"|--[^\n]*|/\*.*?\*/|\$\$.*?\$\$"
)
_VALUE = rf"(?s:{_QUOTED}|\$([a-z_]+))"
# What a statement leaves behind, and under which name: `table` in `create table main.x as ...`.
_MADE = (
    r"\s*create (?:or replace )?(?:temp )?(?P<kind>table|view|schema) "
    r'(?:temp\.)?(?P<target>(?:[a-z]+\.)?"?(?P<name>(?<=")(?:""|[^"])*(?=")|\w+)"?)'
)
_READS = r"\s*(select|with|from)\b"
Planned = tuple[BatchPlan, SelectionPlan | None]
Beside = Callable[[Prepared, Period, Axes, list[Action]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a run.

    Attributes
    ----------
    number : int
        From 1, in the order in which they ran.
    file : str or None
        Where it stands under ``sql/``, folder = stage: ``ranking/ranked.sql``. None: it makes
        rows that Python hands over, or sets up the session.
    inside : tuple of str
        Files whose statements stand inside of it, such as the check that it counts.
    title : str
        What its rows are, as its file says.
    sql : str
        With values written in; no semicolon at its end.
    plan : str or None
        DuckDB's, where it was asked for.
    """

    number: int
    file: str | None
    title: str
    sql: str
    inside: tuple[str, ...] = ()
    plan: str | None = None

    def __str__(self) -> str:
        """Return it as a part of a script: its place and name, its text, its plan."""
        made = re.match(_MADE, self.sql)
        name = " of ".join([self.file or "", *self.inside[:1]])
        name += f" makes {made['target']}" if made else ""
        name = f"{name.strip()}: {self.title}" if name else self.title
        # The end on a line of its own: the text of a user may end with a comment.
        lines = [f"-- {self.number}. {name}", self.sql, ";"]
        if self.plan is not None:
            lines += [f"-- {line}" for line in self.plan.splitlines()]
        return "\n".join(lines) + "\n"


class Explanation(tuple[Statement, ...]):
    """The statements of a run in order; as text a script for a fresh DuckDB."""

    __slots__ = ()

    def __str__(self) -> str:
        """Return all of them as one script."""
        return "\n".join(map(str, self))

    def __repr__(self) -> str:
        """Say how many there are."""
        return f"Explanation({len(self)} statements)"

    def alone(self, number: int) -> str:
        """Return one statement as a script that runs by itself, led by what it reads.

        Parameters
        ----------
        number : int
            `Statement.number`.
        """
        if number not in range(1, len(self) + 1):
            raise ConfigError(f"number must be from 1 to {len(self)}, was {number!r}")
        makers = [re.match(_MADE, one.sql) for one in self]
        needed, todo = set[int](), [number - 1]
        while todo:
            at = todo.pop()
            if at in needed:
                continue
            needed.add(at)
            # A view reads what its names mean when it is read, not when it was made.
            made = makers[at]
            until = number - 1 if made is not None and made["kind"] == "view" else at
            newest: dict[str, int] = {}
            for i, maker in enumerate(makers[:until]):
                if maker is None:
                    if not re.match(_READS, self[i].sql):  # a setting, which all may read
                        newest[self[i].sql] = i
                elif maker["name"] in self[at].sql:
                    newest[maker["target"]] = i
            todo += newest.values()
        return "\n".join(str(self[at]) for at in sorted(needed))


class Transcript(Listener):
    """Keeps what a database is told, as statements that can be run again.

    Parameters
    ----------
    has_plans : bool
        Ask for the plan of each.
    """

    def __init__(self, *, has_plans: bool = False) -> None:
        self.statements: list[Statement] = []
        self._has_plans = has_plans

    def statement(self, text: str, parameters: Mapping[str, object] | None, ask: Ask) -> None:
        """Keep a statement with its values written in."""
        file, inside = (text.file, text.inside) if isinstance(text, Sql) else (None, ())
        sql = written(text, parameters or {})
        plan = None
        if self._has_plans:
            # In its own session and before it runs: there it finds what it reads.
            plan = "\n".join(row[1] for row in ask(plan_of(sql)))
        title = grain(file.removesuffix(".sql")) if file else "a setting of the session"
        self._add(sql, title, file=file, inside=inside, plan=plan)

    def frame(self, name: str, ask: Ask) -> None:
        """Keep the rows that can be read under a name, as a table that has them."""
        kinds = {row[0]: row[1] for row in ask(columns_of(rows_of(quote(name))))}
        ((n_rows,),) = ask(count_of(rows_of(quote(name))))
        is_short = n_rows <= MOST_ROWS
        title = f"{n_rows} rows that Python hands over"
        if not is_short:
            title += f", more than the {MOST_ROWS} that are written out; fill them in"
        items = ", ".join(f"{quote(column)}::varchar" for column in kinds)
        rows = ask(rows_of(quote(name), items)) if is_short else []
        self._add(_table(name, kinds, rows), title)

    def _add(
        self,
        sql: str,
        title: str,
        *,
        file: str | None = None,
        inside: tuple[str, ...] = (),
        plan: str | None = None,
    ) -> None:
        number = len(self.statements) + 1
        self.statements.append(
            Statement(number=number, file=file, inside=inside, title=title, sql=str(sql), plan=plan)
        )


class Sources(Protocol):
    """A catalog: what a run reads."""

    def again(self, listener: Listener | None = None) -> Sources:
        """Return the same sources, on a database of which a listener hears."""

    def validate(self, likely: Collection[str] = ()) -> Prepared:
        """Prepare, and refuse sources that break their contract."""

    def axes(self, period: Period | None = None) -> Axes:
        """Return the run's bars and assets."""

    def instruments(self) -> Instruments:
        """Return each asset's contract terms."""

    def actions(self, period: Period | None = None) -> list[Action]:
        """Return the corporate actions."""

    def margin_changes(self, period: Period | None = None) -> tuple[MarginChange, ...]:
        """Return when margins of contracts change."""

    def rolls(self, period: Period | None = None) -> tuple[Roll, ...]:
        """Return the rolls of contracts."""

    def funding(self, period: Period | None = None) -> list[Funding]:
        """Return the funding payments of perpetual contracts."""

    def fx(self, period: Period | None = None) -> FxRates | None:
        """Return what currencies cost."""

    def fingerprints(self) -> list[dict[str, object]]:
        """Return what identifies the content of every source."""


def explain(
    sources: Sources,
    planned: Callable[[Prepared, Period], Planned],
    beside: Beside | None = None,
    likely: Collection[str] = (),
    *,
    bounds: tuple[Bound | None, Bound | None] = (None, None),
    plan: bool = False,
) -> Explanation:
    """Read sources as a run does, and return the statements by which they were read.

    Parameters
    ----------
    planned : callable
        Says what the run reads at each bar, and what it selects.
    beside : callable, optional
        Reads what the run is compared with.
    likely : collection of str
        Columns that the run will read at every bar.
    bounds : pair of Bound or None
        The sides of the run's period.
    plan : bool
        Have the plan of each statement too.
    """
    transcript = Transcript(has_plans=plan)
    heard = sources.again(transcript)
    prepared = heard.validate(likely)
    period = find_period(*bounds, prepared)
    chunks = batches(*planned(prepared, period), prepared, period=period)
    # As in `BacktestEngine.run`, one after the other; that both say the same is a test.
    for _ in chunks:
        pass
    axes = heard.axes(period)
    heard.instruments()
    actions = heard.actions(period)
    heard.rolls(period)
    heard.margin_changes(period)
    heard.funding(period)
    heard.fx(period)
    priced_limits(prepared)
    has_limit_rates(prepared)
    if beside is not None:
        beside(prepared, period, axes, actions)
    year_facts(None, prepared)
    heard.fingerprints()
    return Explanation(transcript.statements)


def plan_alone(strategy: Selects, prepared: Prepared, period: Period) -> Planned:
    """Plan what a run reads for a strategy that has nothing beside it."""
    if isinstance(strategy, type) or not callable(getattr(strategy, "ranking", None)):
        raise ConfigError(f"strategy must be a Strategy, was {strategy!r}")
    selection = plan_selection(
        strategy.ranking(),
        strategy.query(),
        prepared,
        long_only=False,
        begin_t=period.first_t,
        end_t=period.last_t,
    )
    plan_conditions(strategy.expressions, prepared)
    plan = plan_batches(
        prepared,
        has_levels=False,
        features=strategy.features,
        conditions=strategy.conditions,
    )
    return plan, selection


def written(text: str, parameters: Mapping[str, object]) -> str:
    """Return a statement with its ``$values`` written in."""

    def value_at(found: re.Match[str]) -> str:
        return found[0] if found[1] is None else _literal(parameters[found[1]])

    return re.sub(_VALUE, value_at, text) if parameters else str(text)


def _literal(value: object) -> str:
    """Return a value as SQL: what a statement of the package is given."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{literal(repr(value))}::double"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_literal, value))}]"
    return literal(str(value))


def _table(name: str, kinds: Mapping[str, str], rows: Sequence[Sequence[str | None]]) -> str:
    """Return the statement that makes a table of rows, each value in the text of its type."""
    cells = [
        ", ".join("null" if value is None else literal(value) for value in row) for row in rows
    ]
    places = [quote(f"_{i}") for i in range(len(kinds))]
    return render(
        "relations/frame",
        target=quote(name),
        columns=", ".join(
            f"{place}::{kind} as {quote(column)}"
            for place, (column, kind) in zip(places, kinds.items(), strict=True)
        ),
        literals=",\n    ".join(f"({row})" for row in cells or [", ".join(["null"] * len(kinds))]),
        names=", ".join(places),
        is_any=str(bool(cells)).lower(),
    )
