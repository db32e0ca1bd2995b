"""Scopes: what the names of one SELECT mean, and whether it keeps to its timestamp.

A SELECT's first relation and what is joined to it all stand at one timestamp T, or are NULL
behind a LEFT JOIN. `Scope` follows names to their relations, so that ``timestamp`` is known to
be T wherever a window, a GROUP BY or the result asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlglot import exp

from ml4t.backtest.data.sql_files import quote
from ml4t.backtest.data.user_sql.parsed import in_window, refuse_ahead
from ml4t.backtest.errors import ExpressionError, did_you_mean

CLOCK = "timestamp"
_REFUSED = (exp.Query, exp.DML, exp.DDL, exp.UDTF, exp.Table, exp.Command, exp.Exists,
            exp.Placeholder, exp.Parameter, exp.PositionalColumn, exp.Lambda, exp.Comprehension,
            exp.Columns)  # fmt: skip
_GROUPINGS = (exp.Rollup, exp.Cube, exp.GroupingSets, exp.Literal)
_Node = exp.Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """What can stand in FROM.

    Attributes
    ----------
    columns : tuple of str or None
        In lower case; None: it has no name to be called by.
    key : tuple of str or None
        Columns that tell the rows of one timestamp apart; None: not known.
    base : str
        Its name where it is none of the query's own CTEs, else empty.
    """

    columns: tuple[str | None, ...]
    key: tuple[str, ...] | None
    base: str = ""


@dataclass(slots=True, kw_only=True)
class Member:
    """A relation of one SELECT.

    Attributes
    ----------
    name : str
        By which columns are qualified.
    select : str
        The same, as SQL.
    is_nullable : bool
        Behind a LEFT JOIN: its columns may be NULL, its timestamp too.
    is_visible : bool
        False: it only filters, in a SEMI or ANTI JOIN.
    fans_out : bool
        The join may give several rows for one.
    merged : set of str
        Columns that USING merges into those of the relations before.
    """

    name: str
    relation: Readable
    select: str
    is_nullable: bool = False
    is_visible: bool = True
    fans_out: bool = False
    merged: set[str] = field(default_factory=set)


class Scope:
    """The relations of one SELECT, by name.

    Parameters
    ----------
    text : str
        The whole query, for messages.
    reads : dict
        Takes the columns of base relations that are named.
    aggregates : set of str
        Names of aggregate functions.
    """

    def __init__(self, text: str, reads: dict[str, set[str]], aggregates: set[str]) -> None:
        self.text, self._reads, self._aggregates = text, reads, aggregates
        self.aliases: set[str] = set()
        self._members: dict[str, Member] = {}

    def add(self, member: Member) -> None:
        """Take a relation in."""
        name = member.name.lower()
        if name in self._members or name == CLOCK:
            raise self._refused(f"has two relations '{member.name}'; give one another name")
        self._members[name] = member

    def join(self, join: exp.Join, member: Member) -> None:
        """Take a joined relation in; the timestamps must be equal."""
        side, kind = (join.args.get(part) or "" for part in ("side", "kind"))
        spoken = " ".join(part for part in (join.args.get("method"), side, kind) if part).lower()
        if spoken not in ("", "inner", "left", "left outer", "semi", "anti"):
            raise self._refused(
                f"has a {spoken} join; join with inner, left, semi or anti join, on timestamp"
            )
        before = dict(self._members)
        self.add(member)
        member.is_nullable = side == "LEFT"
        member.is_visible = kind not in ("SEMI", "ANTI")
        if using := join.args.get("using"):
            member.merged = {one.name.lower() for one in using}
            equal = member.merged
            for one in using:
                self._require_column(one.name, [member, *before.values()])
                for other in (member, *before.values()):
                    self._note(other, one.name.lower())
        else:
            equal = self._equal_columns(join.args.get("on"), member, before)
        if CLOCK not in equal:
            raise self._refused(
                f"joins {member.name} without its timestamp; write using (timestamp, asset_id), or "
                f"on ... and {member.name}.timestamp = {next(iter(before.values())).name}.timestamp"
            )
        key = member.relation.key
        member.fans_out = member.is_visible and (key is None or not set(key) <= equal)
        if join.args.get("on") is not None:
            self._check(join.args["on"], may_aggregate=False)

    def check_clauses(self, node: exp.Select) -> None:
        """Check names, windows, aggregates and groups of a whole SELECT."""
        group = node.args.get("group")
        if group is not None:
            extra = {name for name, value in group.args.items() if value} - {"expressions"}
            if extra or any(isinstance(one, _GROUPINGS) for one in group.expressions):
                raise self._refused("groups by more than columns and expressions; write them out")
            if not any(isinstance(one, exp.Column) and self.is_clock(one)
                       for one in group.expressions):  # fmt: skip
                raise self._refused("aggregates over all timestamps; write group by timestamp, ...")
        clauses = [node.args.get(name) for name in ("group", "where", "having", "qualify")]
        for clause in (*node.expressions, *clauses):
            if clause is not None and not _is_star(clause):
                self._check(clause, may_aggregate=group is not None)

    def ties(self, node: exp.Select) -> str:
        """Return what to order the rows of one timestamp by, so that no two are alike."""
        group = node.args.get("group")
        if group is not None:
            parts = [self._bare_name(one) or one.sql("duckdb") for one in group.expressions]
        else:
            parts = []
            for i, member in enumerate(self._members.values()):
                if i and not member.fans_out:
                    continue
                key = member.relation.key
                names = member.relation.columns if key is None else key
                for name in names:
                    if name is not None:
                        self._note(member, name)
                        parts.append(f"{member.select}.{quote(name)}")
        first = next(iter(self._members.values()))
        return ", ".join(f"{part} asc" for part in parts or [f"{first.select}.{quote(CLOCK)}"])

    def yields(self, node: exp.Select, *, named: bool) -> Readable:
        """Return what a SELECT yields; one of it is the timestamp."""
        columns: list[str | None] = []
        same: dict[str, str] = {}  # columns of the first relation that are passed on
        for one in node.expressions:
            for name, source in self._outputs(one, named=named):
                columns.append(name)
                if name is not None and source is not None:
                    same[source] = name
        present = [name for name in columns if name is not None]
        for name in present:
            if present.count(name) > 1:
                raise self._refused(
                    f"yields '{name}' twice in one SELECT; leave one out, a star with "
                    f"* exclude ({name})"
                )
        if CLOCK not in present:
            raise self._refused(f"has a SELECT that does not yield timestamp: {node.sql('duckdb')}")
        return Readable(columns=tuple(columns), key=self._key(node, same))

    def is_clock(self, column: exp.Column) -> bool:
        """Say whether a column is the timestamp at which all relations of the SELECT stand."""
        table = column.table.lower()
        member = self._members.get(table)
        is_ours = not table or (member is not None and member.is_visible and not member.is_nullable)
        return column.name.lower() == CLOCK and is_ours and not column.args.get("db")

    # -- inside -----------------------------------------------------------------------

    def _refused(self, message: str) -> ExpressionError:
        return ExpressionError(self.text, message)

    def _equal_columns(
        self, on: _Node | None, member: Member, before: dict[str, Member]
    ) -> set[str]:
        """Return the joined relation's columns that a condition equates to those before."""
        equal: set[str] = set()
        for part in on.flatten() if isinstance(on, exp.And) else [on]:
            part = part.unnest() if isinstance(part, exp.Paren) else part
            if not isinstance(part, exp.EQ):
                continue
            sides = (part.left, part.right)
            for one, other in (sides, sides[::-1]):
                if (
                    isinstance(one, exp.Column) and isinstance(other, exp.Column)
                    and one.table.lower() == member.name.lower()
                    and other.table.lower() in before
                    and one.name.lower() == other.name.lower()
                ):  # fmt: skip
                    equal.add(one.name.lower())
        return equal

    def _check(self, clause: _Node, *, may_aggregate: bool) -> None:
        for node in clause.walk():
            if isinstance(node, _REFUSED) or (
                isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count)
            ):
                raise self._refused(
                    f"may not hold {node.sql('duckdb')}: no subquery, statement, parameter, "
                    "column by position or lambda; write a subquery as a CTE and join it"
                )
            refuse_ahead(self.text, node, self.is_clock, may_aggregate=may_aggregate)
            is_call = isinstance(node, exp.Anonymous) and node.name.lower() in self._aggregates
            if is_call and not may_aggregate and not in_window(node):
                raise self._refused(f"calls the aggregate {node.name}() without a group by")
            if isinstance(node, exp.Column):
                self._resolve(node)

    def _resolve(self, column: exp.Column) -> None:
        name, table = column.name, column.table.lower()
        if column.args.get("db"):
            raise self._refused(f"names {column.sql('duckdb')}; write relation.column")
        if table:
            if table not in self._members:
                known = list(self._members)
                raise self._refused(
                    f"names table '{column.table}'{did_you_mean(column.table, known)}"
                )
            self._require_column(name, [self._members[table]])
            self._note(self._members[table], name.lower())
            return
        if name.lower() not in self.aliases:
            self._require_column(name, list(self._members.values()))
        for member in self._members.values():
            self._note(member, name.lower())

    def _require_column(self, name: str, members: list[Member]) -> None:
        known = [c for member in members for c in member.relation.columns if c is not None]
        if len(members) > 1:
            known += sorted(self.aliases)
        if name.lower() not in known:
            of = f" of {members[0].name}" if len(members) == 1 else ""
            raise self._refused(f"names unknown column '{name}'{of}{did_you_mean(name, known)}")

    def _note(self, member: Member, name: str) -> None:
        if member.relation.base and name in member.relation.columns:
            self._reads.setdefault(member.relation.base, set()).add(name)

    def _outputs(self, one: _Node, *, named: bool) -> Iterator[tuple[str | None, str | None]]:
        """Yield each output column's name, with its column of the first relation, if it is one."""
        if _is_star(one):
            yield from self._starred(one)
            return
        inner = one.this if isinstance(one, exp.Alias) else one
        name = one.alias.lower() if isinstance(one, exp.Alias) else ""
        if isinstance(inner, exp.Column):
            name = name or inner.name.lower()
        elif named and not name:
            raise self._refused(f"yields {one.sql('duckdb')} without a name; write ... as name")
        if name == CLOCK and not (isinstance(inner, exp.Column) and self.is_clock(inner)):
            raise self._refused(
                f"yields {inner.sql('duckdb')} as timestamp; it must be the timestamp of the row, "
                "unchanged, and of no relation behind a left join"
            )
        yield name or None, self._bare_source(inner)

    def _starred(self, one: _Node) -> Iterator[tuple[str | None, str | None]]:
        star = one.this if isinstance(one, exp.Column) else one
        excluded = {each.name.lower() for each in star.args.get("except_") or ()}
        if {name for name, value in star.args.items() if value} - {"except_"}:
            raise self._refused(f"has {one.sql('duckdb')}; a star can exclude columns, no more")
        table = one.table.lower() if isinstance(one, exp.Column) else ""
        if table and table not in self._members:
            raise self._refused(f"names table '{table}'{did_you_mean(table, self._members)}")
        first = next(iter(self._members.values()))
        for member in [self._members[table]] if table else self._members.values():
            if not member.is_visible:
                continue
            for name in excluded:
                self._note(member, name)
            for name in member.relation.columns:
                if name in excluded or (not table and name in member.merged):
                    continue
                if name == CLOCK and member.is_nullable:
                    raise self._refused(
                        f"yields the timestamp of {member.name}, which is behind a left join; "
                        "exclude it"
                    )
                if name is not None:
                    self._note(member, name)
                yield name, name if member is first else None

    def _bare_name(self, one: _Node) -> str | None:
        if not isinstance(one, exp.Column):
            return None
        parts = [part for part in (one.table, one.name) if part]
        return ".".join(quote(part) for part in parts)

    def _bare_source(self, one: _Node) -> str | None:
        """Return the column of the first relation that an output is; None: it is none."""
        if not isinstance(one, exp.Column):
            return None
        first = next(iter(self._members.values()))
        name = one.name.lower()
        is_ours = one.table.lower() in ("", first.name.lower())
        return name if is_ours and name in first.relation.columns else None

    def _key(self, node: exp.Select, same: dict[str, str]) -> tuple[str, ...] | None:
        """Return what tells the rows of one timestamp apart in the result."""
        group = node.args.get("group")
        if group is not None:
            grouped = [self._bare_source(one) for one in group.expressions]
        elif any(member.fans_out for member in self._members.values()):
            return None
        else:
            key = next(iter(self._members.values())).relation.key
            if key is None:
                return None
            grouped = list(key)
        if not all(one is not None and one in same for one in grouped):
            return None
        return tuple(same[one] for one in grouped if one is not None and one != CLOCK)


def _is_star(node: _Node) -> bool:
    return isinstance(node, exp.Star) or (
        isinstance(node, exp.Column) and isinstance(node.this, exp.Star)
    )
