"""Unlike: columns of the views of two catalogs that may differ up to a bar, found by numbers.

What a column holds is put into one number, whatever the order of its rows: a sum of hashes.
DuckDB puts the hashes of several values together by xor, and a bit_xor of those would lose every
value that an even number of rows has.

The views join, as-of and backwards, what became known of each source onto the bars. Where both are
the same up to a bar the views are too, so that the rows that are joined are hashed, before the
join: that takes a tenth of the time. It holds for the end of history only; at its beginning a bar
reads what became known before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ml4t.backtest.data.asof.memberships import IS_MEMBER
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.schema import KEYS, without_keys
from ml4t.backtest.data.sql_files import columns, quote, render, rows_of

KEYS_OF_VIEWS = {"signals": KEYS, "market": KEYS[:1]}
# Number of rows, and the sum of their hashes.
Hashed = tuple[int, int]
# By view and column.
Hashes = Mapping[tuple[str, str], Hashed]


class _Part(NamedTuple):
    """Rows of which a view is made, with their time and some of its columns."""

    view: str
    rows: str
    keys: tuple[str, ...]
    time: str
    names: tuple[str, ...]


def part_hashes(prepared: Prepared, bars: Sequence[CutBar]) -> list[Hashes]:
    """Return what the columns of both views are made of, up to each of some bars in time order."""
    found: list[dict[tuple[str, str], Hashed]] = [{} for _ in bars]
    for part in _parts(prepared) if bars else ():
        for upto, hashed in zip(found, _summed(part, bars, prepared.database), strict=True):
            upto |= {(part.view, name): one for name, one in zip(part.names, hashed, strict=True)}
    return list(found)


def unlike_parts(whole: Prepared, of_whole: Hashes, of_cut: Hashes, view: str) -> list[str]:
    """Return the columns of a view of which the rows behind them are not the same."""
    return [
        name for name in without_keys(view_columns(whole, view))
        if of_whole[view, name] != of_cut.get((view, name))
    ]  # fmt: skip


def unlike_columns(
    whole: Prepared, cut: Prepared, view: str, bar: CutBar
) -> list[tuple[str, bool]]:
    """Return the columns of a view, with whether any cell is another in a second catalog."""
    of_whole, of_cut = view_columns(whole, view), view_columns(cut, view)
    names = [name for name in without_keys(of_whole) if name in of_cut]
    keys = columns(KEYS_OF_VIEWS[view])
    hashes = [f"sum(hash({keys}, {quote(name)}))" for name in names]
    query = rows_of(view, ", ".join(["count(*)", *hashes]), where=bar.keeps("timestamp"))
    (one,), (other,) = (each.database.rows(query) for each in (whole, cut))
    lacking = [(name, True) for name in without_keys(of_whole) if name not in of_cut]
    return lacking + [
        (name, mine != theirs or one[0] != other[0])
        for name, mine, theirs in zip(names, one[1:], other[1:], strict=True)
    ]


def view_columns(prepared: Prepared, view: str) -> Mapping[str, str]:
    """Return the columns of a view with their types."""
    keys = dict.fromkeys(KEYS_OF_VIEWS[view], "")
    return keys | (prepared.signal_columns if view == "signals" else prepared.market_columns)


def _parts(prepared: Prepared) -> Iterator[_Part]:
    yield _Part("signals", "main.prices", KEYS, "timestamp", tuple(prepared.price_columns))
    if prepared.has_universe:
        items = f"{columns(KEYS, 'prices')}, {IS_MEMBER} as is_member"
        rows = f"({rows_of('main.prices as prices', items)})"
        yield _Part("signals", rows, KEYS, "timestamp", ("is_member",))
    for view, each in (("signals", prepared.per_asset), ("market", prepared.market)):
        for known in each:
            time = "available_at" if known.has_clock else ""
            keys = ("asset_id", time) if time else ("asset_id",)
            yield _Part(view, known.relation, keys, time, known.columns)


def _summed(part: _Part, bars: Sequence[CutBar], database: Database) -> Iterator[list[Hashed]]:
    """Yield what each column of a part holds up to each bar."""
    since = " ".join(f"when {part.time} <= {bar.sql} then {i}" for i, bar in enumerate(bars))
    query = render(
        "audit/part_hashes",
        rows=part.rows, keys=columns(part.keys), since=f"case {since} end" if part.time else "0",
        sums=", ".join(f"sum(hash(__key, {quote(name)}))" for name in part.names) or "null",
    )  # fmt: skip
    found = {since: rest for since, *rest in database.rows(query)}
    n_rows, sums = 0, [0] * len(part.names)
    for i in range(len(bars)):
        n_new, *new = found.get(i, (0, *sums))
        if n_new:
            n_rows, sums = n_rows + n_new, [one + more for one, more in zip(sums, new, strict=True)]
        yield [(n_rows, one) for one in sums]
