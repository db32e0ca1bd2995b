"""Queries by chance: relations of times, texts and numbers, and every way to make one of others."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import count
from typing import NamedTuple

_BASES = (
    ("select timestamp as {0}, asset_id as {1}, close as {2}, open as {3} from prices", "tann"),
    ("select timestamp as {0}, asset_id as {1}, close as {2}, volume as {3} from prices", "tann"),
    ("select timestamp as {0}, asset_id as {1}, score as {2} from features", "tan"),
    ("select timestamp as {0}, vix as {1} from vix", "tn"),
    ("select available_at as {0}, timestamp as {1}, asset_id as {2}, eps as {3} from reports",
     "ttan"),
    ("select timestamp + interval '1 day' as {0}, asset_id as {1}, flow as {2} from flows", "tan"),
    ("select day as {0}, asset_id as {1}, ret as {2} from daily", "tan"),
    ("select stamp as {0}, asset_id as {1}, px as {2} from zoned", "tan"),
    ("select start_at as {0}, end_at as {1}, asset_id as {2} from members", "tta"),
    ("select asset_id as {0}, sector as {1} from assets", "aa"),
)  # fmt: skip
_SPANS = ("interval '1 day'", "interval '7 days'", "interval '1 month'", "interval '12 hours'",
          "interval '-2 days'", "interval '1 week'", "to_days(3)")  # fmt: skip
_UNITS = ("hour", "day", "week", "month", "quarter")
_SIGNS = ("<=", "<", ">=", ">", "=", "<>", "is not distinct from", "is distinct from")
_JOINS = ("join", "left join", "right join", "full join", "semi join", "anti join", "asof join",
          "asof left join", "cross join")  # fmt: skip


class Relation(NamedTuple):
    """A query, and its columns: names, each with ``t`` for times, ``a`` for texts or ``n``."""

    sql: str
    columns: tuple[tuple[str, str], ...]

    def of(self, kind: str) -> list[str]:
        return [name for name, its in self.columns if its == kind]


class Grammar:
    """Makes queries.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._numbers = count()

    def query(self) -> tuple[str, str]:
        """Return a query and its clock: mostly a column of its times."""
        while True:
            found = self.relation(self._draw.choice([1, 1, 2, 2, 3, 4]))
            times = found.of("t")
            if times:
                clock = self._draw.choice(times)
                if self._draw.random() < 0.1:
                    clock = self._time(times)
                return found.sql, clock

    def relation(self, depth: int) -> Relation:
        """Return a relation that takes so many steps to make."""
        if depth <= 0:
            return self._base()
        steps: Sequence[Callable[[int], Relation]] = (
            self._projected, self._projected, self._filtered, self._windowed, self._windowed,
            self._grouped, self._distinct, self._limited, self._union, self._joined, self._joined,
            self._joined, self._beside_itself, self._correlated, self._unnested, self._periods,
        )  # fmt: skip
        return self._draw.choice(steps)(depth - 1)

    # -- steps ------------------------------------------------------------------------

    def _base(self) -> Relation:
        sql, kinds = self._draw.choice(_BASES)
        return self._named(sql, kinds)

    def _projected(self, depth: int) -> Relation:
        of = self.relation(depth)
        made, kinds = [], ""
        for kind in "t" * self._draw.choice([0, 1, 1, 2]) + "n" * self._draw.choice([0, 1, 2]):
            made.append(self._time(of.of("t")) if kind == "t" else self._number(of))
            kinds += kind
        return self._adding(of, made, kinds)

    def _filtered(self, depth: int) -> Relation:
        of = self.relation(depth)
        where = self._condition(of, of)
        if self._draw.random() < 0.3:
            where = (
                f"{self._condition(of, of)} {self._draw.choice(['and', 'or', 'and not'])} {where}"
            )
        elif self._draw.random() < 0.3:
            where = f"not ({where})"
        elif self._draw.random() < 0.4:
            where = self._inside(of)
        return Relation(f"select * from ({of.sql}) where {where}", of.columns)

    def _inside(self, of: Relation) -> str:
        """Return a condition with a subquery that takes values from outside, or none."""
        inner = self.relation(0)
        where = f" where {self._condition(inner, of)}" if self._draw.random() < 0.8 else ""
        shared = [(one, other) for one, kind in of.columns for other, its in inner.columns
                  if kind == its]  # fmt: skip
        negated = self._draw.choice(["", "", "not "])
        if shared and self._draw.random() < 0.5:
            one, other = self._draw.choice(shared)
            found = f"{one} {negated}in (select {other} from ({inner.sql}){where})"
            if self._draw.random() < 0.3:
                found = f"coalesce({found}, {self._draw.choice(['true', 'false'])})"
            return found
        return f"{negated}exists (select * from ({inner.sql}){where})"

    def _windowed(self, depth: int) -> Relation:
        of = self.relation(depth)
        found = self._adding(of, [self._window(of)], "n")
        if self._draw.random() < 0.2:
            name = found.columns[-1][0]
            sql = f"select * from ({found.sql}) where {name} > {self._draw.randrange(3)}"
            found = Relation(sql, found.columns)
        return found

    def _window(self, of: Relation) -> str:
        draw = self._draw
        keys = draw.sample(
            [name for name, _ in of.columns], draw.randrange(min(3, len(of.columns)))
        )
        order = [self._time(of.of("t")) if draw.random() < 0.2 and of.of("t") else one
                 for one in draw.sample(of.of("t"), min(len(of.of("t")), 1))]  # fmt: skip
        if draw.random() < 0.15:
            order = draw.sample([name for name, _ in of.columns], 1)
        # Ties are broken by everything, so that the order of equal rows is no matter.
        total = [f"{name}::varchar" for name, _ in of.columns]
        is_ranged = draw.random() < 0.25
        direction = draw.choice(["", "", "", " desc"])
        orders = [f"{one}{direction}" for one in order] + ([] if is_ranged else total)
        number = self._number(of)
        # Of equal rows any may be the first, or the next.
        by_place = [
            f"lag({number}, {draw.choice(['1', '2', '-1', '0'])})", f"lead({number})",
            f"lag({number}, 1, {number})", f"first_value({number})", f"last_value({number})",
            f"nth_value({number}, 2)", "row_number()", "ntile(2)", f"lag({number} ignore nulls)",
        ]  # fmt: skip
        call = draw.choice([
            f"sum({number})", f"count({number})", f"max({number})", "count(*)", "rank()",
            "dense_rank()", "percent_rank()", "cume_dist()",
            f"avg({number}) filter (where {self._condition(of, of)})", f"sum(distinct {number})",
            f"median({number})", *([] if is_ranged else by_place),
        ])  # fmt: skip
        frame = ""
        if orders and draw.random() < 0.6 and not call.startswith(("ntile", "cume", "percent")):
            unit = (
                draw.choice(["range", "groups"]) if is_ranged else draw.choice(["rows", "groups"])
            )
            span = draw.choice(_SPANS[:4]) if unit == "range" else str(draw.randrange(3))
            if unit == "range" and (not order or order[0] not in of.of("t")):
                span = ""
            starts = ["unbounded preceding", "current row"] + [f"{span} preceding"] * bool(span)
            ends = ["unbounded following", "current row"] + [f"{span} following"] * bool(span)
            frame = f" {unit} between {draw.choice(starts)} and {draw.choice(ends)}"
            if span and draw.random() < 0.2:
                frame = f" {unit} between unbounded preceding and {span} preceding"
            frame += draw.choice(["", "", " exclude current row", " exclude ties"])
        parts = f"partition by {', '.join(keys)} " if keys else ""
        if call in by_place and not orders:
            orders = total
        is_ordered = orders and (call in by_place or draw.random() < 0.9)
        ordered = f"order by {', '.join(orders)}" if is_ordered else ""
        return f"{call} over ({parts}{ordered}{frame if ordered else ''})"

    def _grouped(self, depth: int) -> Relation:
        of, draw = self.relation(depth), self._draw
        n = draw.choice([0, 1, 1, 2, 2, 3])
        keys = draw.sample(of.columns, min(n, len(of.columns)))
        texts = [(name, kind) for name, kind in keys]
        if of.of("t") and draw.random() < 0.4:
            texts.append((self._time(of.of("t")), "t"))
        made = [
            draw.choice(
                [
                    f"sum({self._number(of)})",
                    "count(*)",
                    f"max({self._number(of)})",
                    f"avg({self._number(of)}) filter (where {self._condition(of, of)})",
                    f"max({self._number(of)}) - 1",
                    f"count(distinct {self._number(of)})",
                ]
            )
            for _ in range(draw.choice([1, 2]))
        ]
        kinds = "".join(kind for _, kind in texts) + "n" * len(made)
        if of.of("t") and draw.random() < 0.3:
            made.append(f"{draw.choice(['min', 'max'])}({draw.choice(of.of('t'))})")
            kinds += "t"
        places = [str(i + 1) for i in range(len(texts))]
        by = ", ".join(places)
        if len(places) > 1 and draw.random() < 0.2:
            names = ", ".join(name for name, _ in texts)
            by = draw.choice([f"rollup ({names})", f"cube ({names})"])
        named = self._named("", kinds)
        every = [*(text for text, _ in texts), *made]
        parts = [f"{text} as {name}" for text, (name, _) in zip(every, named.columns, strict=True)]
        where = f" where {self._condition(of, of)}" if draw.random() < 0.2 else ""
        group = f" group by {by}" if places else ""
        having = " having count(*) > 1" if draw.random() < 0.15 else ""
        return Relation(
            f"select {', '.join(parts)} from ({of.sql}){where}{group}{having}", named.columns
        )

    def _distinct(self, depth: int) -> Relation:
        of, draw = self.relation(depth), self._draw
        kept = draw.sample(of.columns, draw.randrange(1, len(of.columns) + 1))
        names = ", ".join(name for name, _ in kept)
        if draw.random() < 0.5:
            return Relation(f"select distinct {names} from ({of.sql})", tuple(kept))
        total = ", ".join(f"{name}::varchar" for name, _ in of.columns)
        times = of.of("t")
        first = f"{draw.choice(times)}{draw.choice(['', ' desc'])}, " if times else ""
        return Relation(
            f"select distinct on ({names}) * from ({of.sql}) order by {first}{total}", of.columns
        )

    def _limited(self, depth: int) -> Relation:
        of, draw = self.relation(depth), self._draw
        total = ", ".join(f"{name}::varchar" for name, _ in of.columns)
        times = of.of("t")
        first = f"{draw.choice(times)}{draw.choice(['', '', ' desc'])}, " if times else ""
        limit = draw.choice(["limit 7", "limit 20 offset 3", "offset 5"])
        return Relation(f"select * from ({of.sql}) order by {first}{total} {limit}", of.columns)

    def _union(self, depth: int) -> Relation:
        one = self.relation(depth)
        others = [self.relation(0) for _ in range(8)]
        other = next((two for two in others if self._like(two, one)), one)
        columns = self._like(other, one)
        word = self._draw.choice(["union all", "union all", "union", "except", "intersect",
                                  "union all by name", "except all"])  # fmt: skip
        names = [f"{name} as {its[0]}" for name, its in zip(columns, one.columns, strict=True)]
        second = f"select {', '.join(names)} from ({other.sql})"
        if self._draw.random() < 0.4:
            second += f" where {self._condition(other, other)}"
        return Relation(f"(select * from ({one.sql})) {word} ({second})", one.columns)

    def _like(self, of: Relation, one: Relation) -> list[str]:
        """Return columns of the kinds of another relation; nothing where there are none."""
        if not all(of.of(kind) for _, kind in one.columns):
            return []
        return [self._draw.choice(of.of(kind)) for _, kind in one.columns]

    def _joined(self, depth: int) -> Relation:
        draw, left = self._draw, self.relation(depth)
        right = self.relation(min(depth, draw.choice([0, 0, 1])))
        kind = draw.choice(_JOINS)
        columns = (*left.columns, *right.columns)
        if kind == "cross join":
            where = f" where {self._condition(left, right)}" if draw.random() < 0.8 else ""
            return Relation(f"select * from ({left.sql}) cross join ({right.sql}){where}", columns)
        conditions = [self._condition(left, right) for _ in range(draw.choice([1, 1, 2]))]
        if left.of("a") and right.of("a") and draw.random() < 0.6:
            conditions.append(f"{draw.choice(left.of('a'))} = {draw.choice(right.of('a'))}")
        if left.of("t") and right.of("t"):
            sign = (
                draw.choice([">=", ">=", "=", "="]) if draw.random() < 0.7 else draw.choice(_SIGNS)
            )
            if kind.startswith("asof"):
                sign = draw.choice([">=", ">", ">=", "<="])
                conditions = [one for one in conditions if " = " in one and "interval" not in one][
                    :1
                ]
            times = [draw.choice(left.of("t")), draw.choice(right.of("t"))]
            if draw.random() < 0.15:
                times[0] = self._time(left.of("t"))
            if draw.random() < 0.15:
                times[1] = self._time(right.of("t"))
            if kind.startswith("asof"):
                # Of several rows of one time any may be the last.
                total = ", ".join(f"{name}::varchar" for name, _ in right.columns)
                one_each = f"select distinct on ({times[1]}) * from ({right.sql}) order by {total}"
                right = Relation(one_each, right.columns)
            conditions.append(f"{times[0]} {sign} {times[1]}")
        elif kind.startswith("asof"):
            kind = "join"
        if kind == "full join":
            conditions = [one for one in conditions if " = " in one][:2] or conditions[:1]
        kept = left.columns if kind.startswith(("semi", "anti")) else columns
        sql = f"select * from ({left.sql}) {kind} ({right.sql}) on {' and '.join(conditions)}"
        found = Relation(sql, kept)
        if kind == "full join" and left.of("t") and right.of("t") and draw.random() < 0.8:
            times = f"coalesce({draw.choice(left.of('t'))}, {draw.choice(right.of('t'))})"
            found = self._adding(found, [times], "t")
        return found

    def _beside_itself(self, depth: int) -> Relation:
        """Return a CTE joined with itself."""
        of, draw = self.relation(depth), self._draw
        name = f"c{next(self._numbers)}"
        one, other = (self._named("", "".join(kind for _, kind in of.columns)) for _ in range(2))
        lists = [
            ", ".join(
                f"{old} as {new}"
                for (old, _), (new, _) in zip(of.columns, each.columns, strict=True)
            )
            for each in (one, other)
        ]
        kind = draw.choice(["join", "left join", "full join"])
        condition = self._condition(one, other)
        if of.of("t") and draw.random() < 0.8:
            i = next(i for i, (_, its) in enumerate(of.columns) if its == "t")
            sign = draw.choice([">=", ">", "="])
            condition = f"{one.columns[i][0]} {sign} {other.columns[i][0]}"
        if kind == "full join" and " = " not in condition:
            kind = "join"
        materialized = draw.choice(["", "materialized ", "not materialized "])
        sql = (
            f"with {name} as {materialized}({of.sql}) select * from (select {lists[0]} "
            f"from {name}) {kind} (select {lists[1]} from {name}) on {condition}"
        )
        return Relation(sql, (*one.columns, *other.columns))

    def _correlated(self, depth: int) -> Relation:
        of, draw = self.relation(depth), self._draw
        inner = self.relation(draw.choice([0, 0, 1]))
        where = " and ".join(self._condition(of, inner) for _ in range(draw.choice([1, 2])))
        if of.of("t") and inner.of("t") and draw.random() < 0.7:
            where += f" and {draw.choice(inner.of('t'))} <= {draw.choice(of.of('t'))}"
        call = draw.choice(
            [f"sum({self._number(inner)})", "count(*)", f"max({self._number(inner)})"]
        )
        if draw.random() < 0.4:
            total = ", ".join(f"{name}::varchar" for name, _ in inner.columns)
            times = inner.of("t")
            first = f"{draw.choice(times)}{draw.choice(['', ' desc'])}, " if times else ""
            limited = f"select * from ({inner.sql}) where {where} order by {first}{total} limit 1"
            value = f"select {self._number(inner)} from ({limited})"
        elif draw.random() < 0.3:
            found = f"select {self._window(inner)} as w from ({inner.sql}) where {where}"
            value = f"{found} order by 1 limit 1"
        else:
            value = f"select {call} from ({inner.sql}) where {where}"
        return self._adding(of, [f"({value})"], "n")

    def _periods(self, depth: int) -> Relation:
        """Return what was so in periods, beside rows that are told a period before or after."""
        draw, left, of = (
            self._draw,
            self.relation(depth),
            self.relation(self._draw.choice([0, 0, 1])),
        )
        if not left.of("t") or not of.of("t"):
            return left
        unit, kind = draw.choice(_UNITS), draw.choice(["join", "left join", "asof left join"])
        start = f"date_trunc('{unit}', {{}})"
        if draw.random() < 0.3:
            unit, start = "day", "({})::date"
        keys = of.of("a")[:1] if draw.random() < 0.7 else []
        made = [f"{start.format(draw.choice(of.of('t')))}", *keys, f"sum({self._number(of)})",
                f"{draw.choice(['min', 'max', 'count'])}({draw.choice(of.of('t'))})"]  # fmt: skip
        kinds = "t" + "a" * len(keys) + "n" + ("n" if made[-1].startswith("count") else "t")
        named = self._named("", kinds)
        begin = named.columns[0][0]
        texts = [f"{text} as {name}" for text, (name, _) in zip(made, named.columns, strict=True)]
        by = ", ".join(str(i + 1) for i in range(1 + len(keys)))
        periods = Relation(
            f"select {', '.join(texts)} from ({of.sql}) group by {by}", named.columns
        )
        if draw.random() < 0.6:
            parts = f"partition by {named.columns[1][0]} " if keys else ""
            frame = draw.choice(
                ["", "rows between 2 preceding and 1 preceding", "rows 1 preceding"]
            )
            call = draw.choice(["sum({})", "lag({})", "lag({}, 2)", "first_value({})", "lead({})"])
            ordered = f"{parts}order by {begin}{draw.choice(['', '', '', ' desc'])} {frame}"
            number = periods.of("n")[0]
            periods = self._adding(periods, [f"{call.format(number)} over ({ordered})"], "n")
        one = draw.choice(left.of("t"))
        time = draw.choice([start.format(one), one, f"{start.format(one)} - interval '1 {unit}'"])
        other = draw.choice([begin, begin, f"{begin} + interval '1 {unit}'", f"{begin}::date + 1"])
        sign = draw.choice([">=", ">", "="] if kind != "asof left join" else [">=", ">"])
        conditions = [f"{time} {sign} {other}"]
        if keys and left.of("a"):
            conditions.append(f"{draw.choice(left.of('a'))} = {named.columns[1][0]}")
        elif kind.startswith("asof"):
            total = ", ".join(f"{name}::varchar" for name, _ in periods.columns)
            one_each = f"select distinct on ({other}) * from ({periods.sql}) order by {total}"
            periods = Relation(one_each, periods.columns)
        name = f"c{next(self._numbers)}"
        return Relation(
            f"with {name} as ({periods.sql}) select * from ({left.sql}) {kind} {name} "
            f"on {' and '.join(conditions)}",
            (*left.columns, *periods.columns),
        )

    def _unnested(self, depth: int) -> Relation:
        of = self.relation(depth)
        return self._adding(of, [f"unnest([{self._number(of)}, {self._number(of)}])"], "n")

    # -- expressions ------------------------------------------------------------------

    def _time(self, times: Sequence[str], depth: int = 2) -> str:
        draw = self._draw
        if not times:
            return "timestamp '2024-03-01'"
        one = draw.choice(times)
        if depth == 0 or draw.random() < 0.25:
            return one
        one, other = self._time(times, depth - 1), self._time(times, depth - 1)
        unit = draw.choice(_UNITS)
        return draw.choice([
            f"{one} + {draw.choice(_SPANS)}", f"{one} - {draw.choice(_SPANS)}",
            f"date_trunc('{unit}', {one})", f"date_trunc('{unit}', {one}) + interval '1 {unit}'",
            f"time_bucket(interval '7 days', {one})", f"({one})::date", f"({one})::timestamp",
            f"({one})::timestamptz", f"({one})::timestamp_s", f"({one})::date + 1",
            f"date_trunc('week', {one})::date + 7", f"last_day({one})",
            f"greatest({one}, {other})", f"least({one}, {other})", f"coalesce({one}, {other})",
            f"case when {one} > {other} then {one} else {other} end",
            f"if({one} is null, {other}, {one})", "timestamp '2024-03-01'",
            f"nullif({one}, {other})",
            f"strptime(strftime({one}, '%Y-%m-%d'), '%Y-%m-%d')",
            f"list_transform([{one}], lambda v: v + {draw.choice(_SPANS)})[1]",
        ])  # fmt: skip

    def _number(self, of: Relation) -> str:
        draw, numbers = self._draw, of.of("n")
        one = draw.choice(numbers) if numbers else "1"
        if of.of("t") and draw.random() < 0.12:
            return f"epoch({draw.choice(of.of('t'))}::timestamp)"
        return draw.choice([
            one, one, one, f"({one} * 2)", f"coalesce({one}, 0)",
            f"case when {one} > 3 then {one} end", f"list_sum([{one}, 1.5])",
            f"list_transform([{one}], lambda v: v + 1)[1]", f"abs({one})",
        ])  # fmt: skip

    def _condition(self, one: Relation, other: Relation) -> str:
        """Return something that is said of columns of two relations."""
        draw = self._draw
        choices = []
        if one.of("t") and other.of("t"):
            first, second = draw.choice(one.of("t")), draw.choice(other.of("t"))
            if draw.random() < 0.2:
                first = self._time(one.of("t"), 1)
            sign = draw.choice(_SIGNS)
            choices += [f"{first} {sign} {second}"] * 3
            choices += [f"{second} between {first} - interval '3 days' and {first}",
                        f"not ({first} {sign} {second})",
                        f"({first} is null or {first} {sign} {second})",
                        f"coalesce({first}, '2999-01-01'::timestamp) {sign} {second}",
                        f"{second} {sign} timestamp '2024-03-01'"]  # fmt: skip
        if one.of("a") and other.of("a"):
            choices += [f"{draw.choice(one.of('a'))} = {draw.choice(other.of('a'))}"] * 2
        if one.of("n"):
            choices += [f"{draw.choice(one.of('n'))} > {draw.randrange(5)}",
                        f"{draw.choice(one.of('n'))} is not null"]  # fmt: skip
        return draw.choice(choices or ["true"])

    # -- names ------------------------------------------------------------------------

    def _named(self, sql: str, kinds: str) -> Relation:
        names = [f"{kind}{next(self._numbers)}" for kind in kinds]
        return Relation(sql.format(*names), tuple(zip(names, kinds, strict=True)))

    def _adding(self, of: Relation, made: Sequence[str], kinds: str) -> Relation:
        """Return a relation with further columns."""
        added = self._named("", kinds).columns
        texts = "".join(f", {text} as {name}" for text, (name, _) in zip(made, added, strict=True))
        return Relation(f"select *{texts} from ({of.sql})", (*of.columns, *added))
