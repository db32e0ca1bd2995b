"""Selection: what a ranking selects, as one query that needs no catalog and no run.

1. `plan_ranking` checks the ranking as a run does; `spoken` has what the user wrote.
2. Each source becomes a step of the query, as do its known rows and what of them is known at the
   decision bars; the statements are those of a run, where it has them.
3. `dialects` turns the whole into the words of the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import sqlglot

from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.asof.views import MARKET_KEY, Known, known_statement
from ml4t.backtest.data.portable.dialects import (
    Target,
    numbered,
    relation_of,
    rewritten,
    table_of_name,
)
from ml4t.backtest.data.portable.kinds import (
    DATE,
    DIALECTS,
    NAIVE,
    TIMESTAMPTZ,
    TO_DUCKDB,
    TO_SPARK,
    kind_of_type,
)
from ml4t.backtest.data.portable.sources import (
    files_of_source,
    raw_columns,
    raw_name,
    source_query,
)
from ml4t.backtest.data.portable.spoken import OF_RANKING, Spoken, spoken_by
from ml4t.backtest.data.selection.ranking import RankingPlan, plan_ranking
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import (
    Sql,
    columns,
    equal_weight,
    every_bars,
    literal,
    number_kept,
    one_of,
    only_if,
    quote,
    render,
    rows_of,
    with_steps,
)
from ml4t.backtest.errors import ConfigError, DataError, did_you_mean, require_choice

# Of more bars a schedule in words would be a table, and no text.
MOST_TIMES = 10_000


class Registered(NamedTuple):
    """What a catalog has: its sources, and in which zone it tells times.

    Attributes
    ----------
    sources : mapping of str to Source
    found : mapping
        Columns of each source's view, with types.
    timezone : str
    """

    sources: Mapping[str, Source]
    found: Mapping[str, Mapping[str, str]]
    timezone: str


def selection_sql(
    ranking: Ranking,
    registered: Registered,
    prepared: Prepared,
    *,
    dialect: str,
    tables: Mapping[str, str],
) -> str:
    """Return the query of what a ranking selects; see `Catalog.selection_sql`."""
    return selection_tree(
        ranking, registered, prepared, dialect=dialect, tables=tables
    ).sql(dialect, identify=True, pretty=True)  # fmt: skip


def selection_tree(
    ranking: Ranking,
    registered: Registered,
    prepared: Prepared,
    *,
    dialect: str,
    tables: Mapping[str, str],
) -> sqlglot.exp.Expr:
    """Return the query as a tree, which any dialect can be asked for the text of."""
    require_choice("dialect", dialect, DIALECTS)
    for name in tables:
        if name not in registered.sources:
            raise ConfigError(
                f"tables names {name!r}, which is no source{did_you_mean(name, registered.sources)}"
            )
    plan = plan_ranking(ranking, prepared, long_only=False)
    if plan.ranking != ranking:
        raise ConfigError(
            "a ranking with windows over earlier bars is computed over tables of this catalog, "
            "which no other engine has; register each window as a feature"
        )
    return _Query(plan, registered, prepared, dialect).tree(tables)


class _Query:
    """Puts one query together, source by source."""

    def __init__(
        self, plan: RankingPlan, registered: Registered, prepared: Prepared, dialect: str
    ) -> None:
        self._plan, self._registered, self._prepared = plan, registered, prepared
        self._dialect = dialect
        kind = kind_of_type(prepared.timestamp_type)
        if kind not in (DATE, NAIVE, TIMESTAMPTZ):
            raise DataError(
                "prices", "portable", f"has bars of type {prepared.timestamp_type}, which other "
                "engines do not have; cast them to microseconds",
            )  # fmt: skip
        self._clock = kind
        # Columns that are read, and the query, of each source.
        self._read: dict[str, list[str]] = {}
        self._steps: list[tuple[str, str]] = []

    def tree(self, tables: Mapping[str, str]) -> sqlglot.exp.Expr:
        spoken = spoken_by(self._plan.ranking, self._prepared, self._dialect)
        section, prepared = self._plan.section, self._prepared
        self._source("prices", ["timestamp", "asset_id"] + [
            name for name in section.price_columns if name != "asset_id"
        ])  # fmt: skip
        membership: Sql | str = "true"
        if section.has_universe:
            self._universe()
            membership = render("signals/is_member", universe="main.universe")
        self._step("timeline", render("portable/timeline"))
        self._step("scheduled", render("portable/scheduled", schedule=self._schedule()))
        market = self._market(spoken.market)
        self._step(
            "decisions", render("portable/decisions", market=market, condition=spoken.when.sql)
        )  # fmt: skip
        items = [f"prices.{quote(name)}" for name in section.price_columns]
        items += ["true as is_member"] * section.reads_membership
        more = "".join(f", {item}" for item in items)
        self._step("bars", render("portable/bars", columns=more, membership=membership))
        own = [*section.price_columns, *(["is_member"] * section.reads_membership)]
        known = [(one, names) for one, names, _ in section.known]
        bars = self._chain("bars", ["t", "sid", "timestamp", *own], known, prefix="known")
        self._step("ranked", self._ranked(spoken, bars))
        query = with_steps(self._steps, render("portable/selected"))
        relations = {
            raw_name(name): self._relation(name, names, tables)
            for name, names in self._read.items()
        }
        target = Target(
            self._dialect, self._clock, self._registered.timezone, prepared.database
        )  # fmt: skip
        return rewritten(query, target, relations)

    def _ranked(self, spoken: Spoken, bars: str) -> str:
        ranking, section = self._plan.ranking, self._plan.section
        names = ["timestamp", *section.names]
        weight: str = equal_weight(ranking.n, is_grouped=ranking.within is not None)
        scored = render(
            "ranking/scored",
            bars=bars,
            market="decisions",
            columns="".join(f", bars.{quote(name)}" for name in names),
            joins="",
            score=spoken.by.sql,
            eligible=f"coalesce(({spoken.where.sql}), false)",
            grouping=spoken.within.sql,
            more="",
        )
        # In a weight, score and rank are the ranking's own.
        kept = [name for name in names if name.lower() not in OF_RANKING]
        of_market = sorted(spoken.market - {"timestamp"})
        market = [name for name in of_market if name.lower() not in OF_RANKING]
        ranked = render(
            "ranking/ranked",
            scored=scored,
            joins="",
            market="decisions",
            kept_columns="".join(f", {quote(name)}" for name in kept),
            market_columns="".join(f", {quote(name)}" for name in market),
            n=number_kept(ranking.n, "t, __group"),
            direction="asc" if ranking.ascending else "desc",
            weight=spoken.weight.sql if spoken.weight is not None else weight,
        )  # fmt: skip
        return ranked if ranking.within is None else numbered(ranked)

    def _schedule(self) -> str:
        ranking, due = self._plan.ranking, self._plan.due
        if due is None:
            assert isinstance(ranking.every, int)
            return every_bars(ranking.every, ranking.offset)
        if len(due) > MOST_TIMES:
            raise ConfigError(
                f"every={ranking.every!r} decides at {len(due):,} bars, more than the "
                f"{MOST_TIMES:,} that are written out; count bars"
            )
        item = "timestamp::varchar"
        if self._clock == TIMESTAMPTZ:
            item = "timezone('UTC', timestamp)::varchar || '+00:00'"
        rows = self._prepared.database.rows(
            render("portable/due_times", item=item), {"bars": list(due)}
        )
        times = [f"{literal(moment)}::{self._prepared.timestamp_type}" for (moment,) in rows]
        return one_of("timestamp", times)

    # -- sources --------------------------------------------------------------------------

    def _step(self, name: str, query: str) -> None:
        self._steps.append((name, query))

    def _source(self, name: str, names: list[str]) -> None:
        source = self._registered.sources[name]
        self._read[name] = names
        query = source_query(source, names, self._prepared.database)
        self._step(quote(f"__{name}"), query)

    def _relation(
        self, name: str, names: Sequence[str], tables: Mapping[str, str]
    ) -> sqlglot.exp.Expr:
        if name in tables:
            return table_of_name(tables[name], self._dialect)
        source = self._registered.sources[name]
        database = self._prepared.database
        given = raw_columns(source, database.schema(rows_of(f"raw.{quote(name)}")), names)
        files = files_of_source(source, given, self._dialect, database)
        return relation_of(files, given, self._dialect)

    def _universe(self) -> None:
        self._source("universe", ["asset_id", "start_date", "end_date"])
        found = self._registered.found["universe"]
        for name in ("start_date", "end_date"):
            self._require_clock("universe", found[name])

    def _require_clock(self, name: str, kind: str) -> None:
        """Refuse a day next to times with a zone: its midnight is that of a session's zone."""
        if self._dialect != TO_DUCKDB and self._clock == TIMESTAMPTZ and kind_of_type(kind) == DATE:
            raise DataError(
                name, "portable", "has dates next to bars with a zone, which in "
                f"{self._dialect} begin in the zone of the session; store times with a zone",
            )  # fmt: skip

    def _market(self, used: frozenset[str]) -> str:
        """Add what is known of the market to the bars of the schedule; return the last step."""
        wanted = [
            (known, tuple(name for name in known.columns if name in used))
            for known in self._prepared.market
        ]
        found = [(known, names) for known, names in wanted if names]
        return self._chain("scheduled", ["t", "timestamp"], found, prefix="market")

    def _chain(
        self,
        bars: str,
        kept: list[str],
        sources: Sequence[tuple[Known, tuple[str, ...]]],
        *,
        prefix: str,
    ) -> str:
        """Add the steps by which bars get what sources know, and return the name of the last."""
        for i, (known, names) in enumerate(sources):
            relation = self._known(known, names, is_market=prefix == "market")
            query = self._at_bars(known, names, bars, relation, kept)
            bars, kept = f"{prefix}_at_{i}", [*kept, *names]
            self._step(bars, query)
        return bars

    def _known(self, known: Known, names: Sequence[str], *, is_market: bool) -> str:
        """Add the known rows of a source to the sources of the query, and return their name."""
        source, database = self._registered.sources[known.source], self._prepared.database
        found, prefix = self._registered.found[known.source], source.spec.prefix
        own = [name.removeprefix(prefix) for name in names]
        clocks = ["timestamp"] if known.has_clock else []
        clocks += ["available_at"] * (source.available_at is not None)
        has_assets = source.spec.has_assets
        every = [*clocks, *(["asset_id"] * has_assets), *own]
        before = set(self._read.get(known.source, ()))
        self._read[known.source] = list(dict.fromkeys([*before, *every]))
        asset = f"{MARKET_KEY} as asset_id" if is_market else "asset_id"
        filter_ = "true"
        if is_market and has_assets:
            filter_ = "asset_id is null"
        elif source.spec.may_lack_asset:
            filter_ = "asset_id is not null"
        named = [f"{quote(name)} as {quote(prefix + name)}" for name in own]
        place = quote(f"__{known.source} {'market' if is_market else 'asset'}")
        inner = source_query(source, every, database)
        canonical = render(
            "portable/source", raw=f"({inner}) as own",
            columns=", ".join([asset, *clocks, *named]), filter=filter_,
        )  # fmt: skip
        if not known.has_clock:
            self._step(place, canonical)
            return place
        self._require_clock(known.source, found[clocks[-1]])
        made = known_statement(source, f"({canonical})", names, "__made", database, where="true")
        statement = sqlglot.parse_one(made, read=TO_DUCKDB)
        self._step(place, statement.expression.sql(TO_DUCKDB))
        return place

    def _at_bars(
        self, known: Known, names: Sequence[str], bars: str, relation: str, kept: list[str]
    ) -> Sql:
        """Return the query of bars with what a source knows at them."""
        items = [f"__known.{quote(name)}" for name in names]
        if not known.has_clock:
            return render("portable/constant", bars=bars, known=relation, items=", ".join(items))
        source = self._registered.sources[known.source]
        clock = "available_at" if source.available_at else "timestamp"
        theirs = kind_of_type(self._registered.found[known.source][clock])
        if theirs is None:
            raise DataError(
                known.source, "portable", f"has {clock} of a type that other engines do not have; "
                "cast it to microseconds",
            )  # fmt: skip
        theirs = NAIVE if source.lag is not None and theirs == DATE else theirs
        is_same = theirs == self._clock
        bar_time = "bars.t" if is_same else "bars.t::timestamp"
        known_time = "__known.available_at" if is_same else "__known.available_at::timestamp"
        if known.max_age is not None:
            late = bar_time if self._clock == TIMESTAMPTZ else "bars.t::timestamp"
            is_fresh = known.is_fresh(late, "__known.available_at")
            items = [f"{only_if(is_fresh, item)} as {quote(name)}"
                     for item, name in zip(items, names, strict=True)]  # fmt: skip
        has_assets = "sid" in kept
        if self._dialect != TO_SPARK:
            same = "bars.sid = __known.asset_id and " if has_assets else ""
            same_time = f"{same}{bar_time} >= {known_time}"
            return render(
                "portable/asof_join", bars=bars, known=relation, same_time=same_time,
                items=", ".join(items),
            )  # fmt: skip
        packed = ", ".join(f"{quote(name)} := __known.{quote(name)}"
                           for name in ("available_at", *names))  # fmt: skip
        unknown = [
            f"{'__known.asset_id' if name == 'sid' else 'null'} as {quote(name)}" for name in kept
        ]
        return render(
            "portable/asof_union", bars=bars, known=relation,
            partition="sid" if has_assets else "1", kept=columns(kept),
            unknown=", ".join(unknown), packed=f"struct_pack({packed})", bar_time=bar_time,
            known_time=known_time, items=", ".join(items),
        )  # fmt: skip
