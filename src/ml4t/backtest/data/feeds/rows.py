"""Feed rows: what a feed was given, and the prices that several of them make together.

1. `FeedRows.items` reads a feed's columns under the names of prices, by its schema alone.
2. `gather` puts the rows of all feeds into one Arrow table, when a run first needs them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ml4t.backtest.data.database import Database, EngineError, is_relation
from ml4t.backtest.data.feeds.tables import is_one_table, timed
from ml4t.backtest.data.sources.adapted import Change, ChangedRows
from ml4t.backtest.data.sources.attaching import attach, detach
from ml4t.backtest.data.sources.common_types import (
    clash,
    common_type,
    is_exact,
    require_none_inexact,
)
from ml4t.backtest.data.sources.dates import time_texts
from ml4t.backtest.data.sources.naming import column_names, renamings
from ml4t.backtest.data.sources.roles.prices import PRICE_COLUMNS, PRICES_ROLE
from ml4t.backtest.data.sources.schema import KEYS, UNTYPED
from ml4t.backtest.data.sources.shapes.in_files import unfolded
from ml4t.backtest.data.sources.shapes.said import Said, Shaped
from ml4t.backtest.data.sources.shapes.shaping import shaped
from ml4t.backtest.data.sources.source import Source, of_lazy, scannable
from ml4t.backtest.data.sql_files import all_of, literal, quote, render, rows_of, schema_of
from ml4t.backtest.errors import DataError, did_you_mean

AssetId = str | int
TAKEN_COLUMNS = (*KEYS, *PRICE_COLUMNS, "volume")
# The one asset of a frame that does not say which it is.
NAMELESS = "asset"
ZONED_NS = "TIMESTAMPTZ_NS"
NO_TEXTS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class AttachedFeed:
    """What stands as ``raw.<name>`` of a feed.

    Attributes
    ----------
    feed : FeedRows
        With what is still to be done by its `columns` and `date_format`.
    columns : dict of str to str
        With their types.
    changes : tuple of Change
    is_shaped : bool
        It was no long table.
    """

    feed: FeedRows
    columns: dict[str, str]
    changes: tuple[Change, ...] = ()
    is_shaped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRows:
    """What a feed was given.

    Attributes
    ----------
    given : object
        A path, or a frame of any kind that a catalog registers; read when it is needed.
    asset_id : str or int, optional
        The feed's one asset; None: the column ``asset_id`` tells.
    signal_columns : tuple of str, optional
        Columns beyond keys and prices that are taken; None: all.
    columns : mapping of str to str
        Columns of the feed by our name, where the user says so.
    date_format, fields, timestamps, asset_ids
        As of `Catalog.register`, `fields` being its `field`.
    name : str
        As errors name the feed.
    """

    given: object
    asset_id: AssetId | None = None
    signal_columns: tuple[str, ...] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    date_format: str | None = None
    fields: tuple[str, ...] | None = None
    timestamps: object = None
    asset_ids: object = None
    name: str = "prices"

    def attach(self, database: Database, *, schema_only: bool = False) -> AttachedFeed:
        """Make the rows readable as ``raw.<name>``, what is no long table as one."""
        said = Said(
            name=self.name, spec=PRICES_ROLE, columns=self.columns, fields=self.fields,
            timestamps=self.timestamps, asset_ids=self.asset_ids, date_format=self.date_format,
            n_read=[],
        )  # fmt: skip
        if not is_one_table(self.given, said):
            return self._attach_shaped(shaped(self.given, said), said, database)
        given = timed(self.given, said)
        given = scannable(self.name, _without_rows(self.name, given) if schema_only else given)
        source = Source(
            role="prices", name=self.name, given=given, columns=self.columns,
            date_format=self.date_format,
        )  # fmt: skip
        attached = attach(source, database)
        found = unfolded(source, attached.columns, said, database)
        if found is None:
            return AttachedFeed(self, attached.columns, attached.changes)
        detach(source, database)
        source, changes = found
        feed = replace(self, columns=source.columns, date_format=source.date_format)
        columns = attach(source, database).columns
        return AttachedFeed(feed, columns, (*attached.changes, *changes), is_shaped=True)

    def _attach_shaped(self, made: Shaped, said: Said, database: Database) -> AttachedFeed:
        source = Source(role="prices", name=self.name, given=scannable(self.name, made.rows))
        columns, written = attach(source, database).columns, said.written(made)
        feed = replace(
            self, columns=made.columns(self.columns),
            date_format=None if written else self.date_format,
        )  # fmt: skip
        return AttachedFeed(feed, columns, (*made.changes, *written), is_shaped=True)

    def items(
        self,
        found: Mapping[str, str],
        left_out: frozenset[str] = frozenset(),
        texts: Mapping[str, str] = NO_TEXTS,
    ) -> dict[str, str]:
        """Return the columns that are taken, by their name in prices, as select items.

        Parameters
        ----------
        found : mapping
            The columns that there are, with types.
        left_out : set of str
            Lower-case names that another source answers for.
        texts : mapping
            How columns of times that are text are read.

        Raises
        ------
        DataError
            A column that is needed, or named, is not there.
        """
        by_lower = self.by_our_names(found)
        time = by_lower["timestamp"]
        # Of nanoseconds with a zone DuckDB 2.0 knows neither the day nor whether they are finite.
        cast = "::timestamptz" if found[time] == ZONED_NS else ""
        read = texts.get(time, f"{quote(time)}{cast}")
        items = {"timestamp": f"{read} as timestamp"}
        if "asset_id" in by_lower:
            items["asset_id"] = f"{quote(by_lower['asset_id'])} as asset_id"
        else:
            items["asset_id"] = f"{_constant(self.asset_id)} as asset_id"
        names = {name: by_lower[name] for name in TAKEN_COLUMNS[2:] if name in by_lower}
        items |= {name: f"{quote(given)} as {quote(name)}" for name, given in names.items()}
        taken = {by_lower[name] for name in TAKEN_COLUMNS if name in by_lower}
        others = [name for name in found if name not in taken]
        for name in self.signal_columns or ():
            if name not in found:
                raise DataError(
                    self.name, "columns",
                    f"has no signal column '{name}'{did_you_mean(name, others)}",
                )  # fmt: skip
        for name in others:
            is_named = self.signal_columns is not None and name in self.signal_columns
            if is_named or (self.signal_columns is None and name.lower() not in left_out):
                items[name] = quote(name)
        return items

    def by_our_names(self, found: Mapping[str, str]) -> dict[str, str]:
        """Return the columns by our names, or by their own in lower case.

        Raises
        ------
        DataError
            One that is needed is not there, or two may be it.
        """
        names = column_names(self.name, PRICES_ROLE, found, self.columns, may_lack=("asset_id",))
        ours = {given: name for name, given in names.items()}
        return {ours.get(given, given.lower()): given for given in found}

    def changes(self, found: Mapping[str, str]) -> tuple[Change, ...]:
        """Return what `Catalog.describe` says of columns with other names."""
        by_lower = self.by_our_names(found)
        return renamings({name: one for name, one in by_lower.items() if name != one.lower()})

    def texts(
        self, found: Mapping[str, str], database: Database
    ) -> tuple[dict[str, str], tuple[Change, ...]]:
        """Return how times that are text are read, by column, and what that changes."""
        source = Source(
            role="prices", name=self.name, given=None, date_format=self.date_format,
            columns={"timestamp": self.by_our_names(found)["timestamp"]},
        )  # fmt: skip
        return time_texts(source, found, database)

    def condition(self, found: Mapping[str, str]) -> str:
        """Return the SQL condition of the feed's own rows."""
        by_lower = self.by_our_names(found)
        if self.asset_id is None or "asset_id" not in by_lower:
            return "true"
        return f"{quote(by_lower['asset_id'])}::varchar = {literal(str(self.asset_id))}"

    def is_streamable(self, found: Mapping[str, str]) -> bool:
        """Say whether the rows are files that a catalog can read as they are."""
        is_files = Source(role="prices", name=self.name, given=self.given).is_files
        if self.columns or self.date_format is not None:
            return False
        kinds = {name.lower(): kind for name, kind in found.items()}
        has_keys = kinds.keys() >= set(KEYS) and kinds["timestamp"] != ZONED_NS
        return is_files and self.asset_id is None and has_keys


def gather(feeds: Sequence[FeedRows], left_out: frozenset[str], database: Database) -> ChangedRows:
    """Return the rows of all feeds as one Arrow table of prices, and what was changed in them.

    Parameters
    ----------
    left_out : set of str
        See `FeedRows.items`.
    database : Database
        Empty; it is not needed afterwards.

    Raises
    ------
    DataError
        A feed cannot be read, two have one asset, their times have no clock in common, or a
        column has types in two of them that have none in common.
    """
    database.execute(schema_of("raw"))
    parts: list[str] = []
    kinds: list[dict[str, str]] = []
    changes: list[Change] = []
    try:
        for i, given in enumerate(feeds):
            attached = given.attach(database)
            feed, found = attached.feed, attached.columns
            texts, read = feed.texts(found, database)
            changes += [*attached.changes, *feed.changes(found), *read]
            part = render(
                "register/feed",
                source=f"raw.{quote(feed.name)}",
                columns=", ".join([*feed.items(found, left_out, texts).values(), f"{i} as __feed"]),
                condition=feed.condition(found),
            )
            if feed.asset_id is None and "asset_id" not in feed.by_our_names(found):
                _require_one_row_a_time(feed, part, database)
            parts.append(part)
            kinds.append(database.schema(part))
        parts = _in_common_types(feeds, parts, kinds, database)
        table = database.arrow(all_of(parts, by_name=True))
        database.register("gathered", table)
        _require_own_assets(feeds, database.rows(render("register/feed_assets", source="gathered")))
        if "DATE" in (times := [found["timestamp"] for found in kinds]) and len(set(times)) > 1:
            _require_no_time_of_day(feeds[times.index("DATE")], database)
    except EngineError as error:
        first = str(error).splitlines()[0]
        raise DataError("prices", "readable", f"could not be read: {first}") from error
    return ChangedRows(table.drop_columns(["__feed"]), tuple(dict.fromkeys(changes)))


def _in_common_types(
    feeds: Sequence[FeedRows],
    parts: Sequence[str],
    kinds: Sequence[Mapping[str, str]],
    database: Database,
) -> list[str]:
    """Return the queries of feeds with each column in the type that all feeds have in common."""
    owners: dict[str, dict[str, FeedRows]] = {}
    spelled: dict[str, str] = {}
    for feed, found in zip(feeds, kinds, strict=True):
        for name, kind in found.items():
            spelled[name.lower()] = name
            owners.setdefault(name.lower(), {}).setdefault(kind, feed)
    if len({"ZONE" in kind for kind in owners["timestamp"]}) > 1:
        raise DataError(
            "prices", "mixed_time_zones", "comes from feeds with and without a time zone; "
            "store all with one, or all without",
        )  # fmt: skip
    common: dict[str, str] = {}
    for name, by_kind in owners.items():
        kinds_apart = clash(by_kind)
        if kinds_apart is not None:
            one, other = kinds_apart
            raise DataError(
                "prices", "types", f"has column '{spelled[name]}' of type {one} in "
                f"'{by_kind[one].name}' and {other} in '{by_kind[other].name}'; cast one of them",
            )  # fmt: skip
        common[name] = common_type(by_kind) or UNTYPED
    return [
        _in_types(feed, part, found, common, database)
        for feed, part, found in zip(feeds, parts, kinds, strict=True)
    ]


def _in_types(
    feed: FeedRows, part: str, found: Mapping[str, str], common: Mapping[str, str],
    database: Database,
) -> str:  # fmt: skip
    """Return a feed's query with its columns cast; refuse values that this would change."""
    casts = []
    for name, kind in found.items():
        wider = common[name.lower()]
        if wider == kind:
            continue
        casts.append(f"{quote(name)}::{wider} as {quote(name)}")
        if not is_exact(kind, wider):
            places = {"item": quote(name), "kind": kind, "common": wider}
            query = render("register/inexact", source=f"({part})", **places)
            require_none_inexact(feed.name, name, kind, wider, query, database)
    return rows_of(f"({part})", f"* replace ({', '.join(casts)})") if casts else part


def _require_no_time_of_day(dated: FeedRows, database: Database) -> None:
    """Refuse dates in a feed next to times of day in others."""
    is_daily = database.rows(render("validate/daily", source="gathered"))[0][0]
    if not is_daily:
        raise DataError(
            dated.name, "date_on_intraday_bars", "has dates next to feeds with times of day: a "
            "date compares as midnight, before its bar could be complete; store the time in all",
        )  # fmt: skip


def _require_one_row_a_time(feed: FeedRows, part: str, database: Database) -> None:
    repeated = database.rows(render("register/repeated_time", source=f"({part})"))
    if repeated:
        raise DataError(
            feed.name, "columns", f"has no column 'asset_id' and several rows at {repeated[0][0]}; "
            "add the column, or make a feed for each asset with asset_id=",
        )  # fmt: skip


def _require_own_assets(feeds: Sequence[FeedRows], assets: list[tuple[int, str]]) -> None:
    """Refuse an asset of two feeds, and a feed without a row of its asset."""
    owner: dict[str, int] = {}
    for i, asset in assets:
        if owner.setdefault(asset, i) != i:
            raise DataError(
                "prices", "duplicate_keys", f"has two feeds of asset '{asset}', "
                f"'{feeds[owner[asset]].name}' and '{feeds[i].name}'; keep one, or put their rows "
                "into one frame",
            )  # fmt: skip
    filled = set(owner.values())
    for i, feed in enumerate(feeds):
        if i not in filled:
            asset = "" if feed.asset_id is None else f" of asset '{feed.asset_id}'"
            raise DataError(feed.name, "overlap", f"has no rows{asset}")


def _constant(asset_id: AssetId | None) -> str:
    return str(asset_id) if isinstance(asset_id, int) else literal(asset_id or NAMELESS)


def _without_rows(name: str, given: object) -> object:
    """Return what has the same columns and is read at no cost, where there is such a thing."""
    kind = type(given).__module__
    if is_relation(given):
        return given.limit(0)  # type: ignore[attr-defined]
    if kind.startswith("pandas"):
        return given.head(0)  # type: ignore[attr-defined]
    if kind.startswith("polars") and hasattr(given, "collect_schema"):
        import polars as pl

        return pl.DataFrame(schema=of_lazy(name, given.collect_schema))
    return given
