"""Ordering: give every window and float aggregate of a user's SQL a total order.

A float sum depends on the order of its rows, and that on the number of threads; so does
``row_number()`` among ties. The text is edited where a window or an aggregate closes, and
nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

import sqlglot
from sqlglot import Token, TokenType

from ml4t.backtest.errors import ExpressionError

# Ties do not change what these return, so their order stays as the user wrote it.
_PEERS = frozenset({"rank", "dense_rank", "percent_rank", "cume_dist"})
_POSITIONS = frozenset({"row_number", "ntile", "first_value", "last_value", "nth_value", "lag"})
# Nor does the order of the rows, as aggregates.
_ORDERLESS = frozenset({
    "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "count", "count_if", "countif", "mad",
    "max", "median", "min", "quantile", "quantile_cont", "quantile_disc",
})  # fmt: skip
_WHOLE = "rows between unbounded preceding and unbounded following"
_OPENING = (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE)
_CLOSING = (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE)
Edits = list[tuple[int, str]]


def without_end(text: str) -> str:
    """Return a query without semicolons and comments behind it, to stand in brackets."""
    try:
        tokens = sqlglot.tokenize(text, read="duckdb")
    except sqlglot.errors.SqlglotError:
        return text  # it is refused where it is used
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    return text[: tokens[-1].end + 1] if tokens else text


def windows_in_total_order(text: str) -> str:
    """Return an expression whose windows answer the same whatever other rows there are.

    Aggregates over a window add up in the order of the assets; functions of a position break
    their ties by asset.

    Raises
    ------
    ExpressionError
        A ranking function has a window without an order, or a frame has an EXCLUDE.
    """
    tokens = sqlglot.tokenize(text, read="duckdb")
    return _edited(text, _ordered_windows(text, tokens, range(len(tokens)), "signals.sid asc"))


def query_in_total_order(text: str, ties: Sequence[str], aggregates: Collection[str]) -> str:
    """Return a query that answers the same rows whatever other timestamps there are.

    Windows break their ties by what tells the rows of their SELECT apart. An aggregate takes
    its rows in the order of its own arguments: rows that are alike there are alike to it.

    Parameters
    ----------
    ties : sequence of str
        For every SELECT in the order of the text, what to order its windows by at last.
    aggregates : collection of str
        Which functions are aggregates, in lower case.

    Raises
    ------
    ExpressionError
        As for `windows_in_total_order`.
    """
    tokens = sqlglot.tokenize(text, read="duckdb")
    starts = [i for i, token in enumerate(tokens) if token.token_type == TokenType.SELECT]
    if len(starts) != len(ties):
        raise ExpressionError(text, "cannot be followed; write each part as select ... from ...")
    edits: Edits = []
    for start, end, tie in zip(starts, [*starts[1:], len(tokens)], ties, strict=True):
        edits += _ordered_windows(text, tokens, range(start, end), tie)
        edits += _ordered_aggregates(text, tokens, range(start, end), aggregates)
    return _edited(text, edits)


def windows_of_assets(text: str) -> list[range]:
    """Return where windows stand that are of one asset, over rows of several timestamps."""
    tokens, found = sqlglot.tokenize(text, read="duckdb"), list[range]()
    for i, (token, following) in enumerate(pairwise(tokens)):
        if token.token_type != TokenType.OVER or following.token_type != TokenType.L_PAREN:
            continue
        end = _closing(tokens, i + 1)
        keys = _partition(tokens, i + 2, end)
        if "asset_id" in keys and "timestamp" not in keys:
            _, closing = _function(tokens, i)
            start = _opening(tokens, closing) - 1
            found.append(range(tokens[start].start, tokens[end].end + 1))
    return found


def _partition(tokens: list[Token], start: int, end: int) -> set[str]:
    """Return the bare columns by which a window is partitioned, in lower case."""
    if tokens[start].token_type != TokenType.PARTITION_BY:
        return set()
    parts, depth = [list[Token]()], 0
    for token in tokens[start + 1 : end]:
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        if depth == 0 and token.token_type == TokenType.ORDER_BY:
            break
        if depth == 0 and token.token_type == TokenType.COMMA:
            parts.append([])
        else:
            parts[-1].append(token)
    lengths = (1, 3)  # a name, or that of a table, a dot and a name
    return {part[-1].text.lower() for part in parts if len(part) in lengths}


def _edited(text: str, edits: Edits) -> str:
    for position, addition in sorted(edits, reverse=True):
        text = text[:position] + addition + text[position:]
    return text


def _ordered_windows(text: str, tokens: list[Token], span: range, ties: str) -> Edits:
    edits: Edits = []
    for i in span[:-1]:
        if tokens[i].token_type != TokenType.OVER or tokens[i + 1].token_type != TokenType.L_PAREN:
            continue
        end = _closing(tokens, i + 1)
        name, closing = _function(tokens, i)
        ordered = any(inner.token_type == TokenType.ORDER_BY for inner in tokens[i + 2 : end])
        frame = _frame(tokens, i + 2, end)
        if any(token.text.lower() == "exclude" for token in tokens[frame:end]):
            # Behind the order that is added here, no row would have a peer.
            raise ExpressionError(
                text, f"has an exclude in the frame of {name}(); take the row's own part off the "
                "whole, as in (sum(x) over (partition by timestamp) - x)",
            )  # fmt: skip
        is_rows = tokens[frame].text.lower() == "rows"
        if not ordered:
            if name in _PEERS | _POSITIONS:
                raise ExpressionError(text, f"calls {name}() over a window without order by")
            if frame == end and name not in _ORDERLESS:
                edits.append((tokens[end].start, f" order by {ties} {_WHOLE}"))
            elif is_rows:
                edits.append((tokens[frame].start, f" order by {ties} "))
        elif name in _POSITIONS or (name not in _PEERS and is_rows):
            # A frame of rows among ties would hold whichever came first.
            edits.append((tokens[frame].start, f", {ties} "))
        if name not in _PEERS | _POSITIONS | _ORDERLESS:
            start = _opening(tokens, closing) + 1
            is_distinct = tokens[start].token_type == TokenType.DISTINCT
            if is_distinct or ordered or frame != end:
                edits += _ordered_arguments(text, tokens, range(start, closing), ties)
    return edits


def _ordered_arguments(text: str, tokens: list[Token], span: range, ties: str) -> Edits:
    """Let an aggregate over a window take the rows of each frame in an order of its own.

    Else DuckDB adds up in blocks of the whole query's rows, and the last digit at a bar depends
    on which other bars there are. It does so too where the order is the first part of that of
    the window, which hardly one spelled as here is.
    """
    arguments, is_ordered = _arguments(text, tokens, span.start, span.stop)
    if tokens[span.start].token_type == TokenType.DISTINCT:
        by = ", ".join(arguments)  # it can be ordered by nothing else
    else:
        by = f"{ties.removesuffix('asc')}desc nulls first"
    if not arguments:
        return []
    return [(tokens[span.stop].start, f"{', ' if is_ordered else ' order by '}{by}")]


def _ordered_aggregates(
    text: str, tokens: list[Token], span: range, aggregates: Collection[str]
) -> Edits:
    edits: Edits = []
    for i in span[:-1]:
        name = tokens[i].text.lower()
        if (
            name not in aggregates
            or name in _ORDERLESS
            or tokens[i + 1].token_type != TokenType.L_PAREN
        ):
            continue
        end = _closing(tokens, i + 1)
        arguments, is_ordered = _arguments(text, tokens, i + 2, end)
        if arguments and not _is_ordered_after(tokens, end):
            lead = ", " if is_ordered else " order by "
            edits.append((tokens[end].start, lead + ", ".join(arguments)))
    return edits


def _is_ordered_after(tokens: list[Token], closing: int) -> bool:
    """Say whether a window or a WITHIN GROUP follows the bracket of an aggregate."""
    i = closing + 1
    while i < len(tokens) and tokens[i].text.lower() in ("filter", "ignore", "respect", "nulls"):
        is_filter = tokens[i].text.lower() == "filter"
        i = _closing(tokens, i + 1) + 1 if is_filter else i + 1
    return i < len(tokens) and tokens[i].text.lower() in ("over", "within", "within group")


def _arguments(text: str, tokens: list[Token], start: int, end: int) -> tuple[list[str], bool]:
    """Return the texts of a call's arguments, literals left out, and whether it has an order."""
    parts: list[list[Token]] = [[]]
    depth, is_ordered = 0, False
    for token in tokens[start:end]:
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        if depth == 0 and token.token_type == TokenType.ORDER_BY:
            is_ordered = True
            break
        if depth == 0 and token.token_type == TokenType.COMMA:
            parts.append([])
        elif token.token_type != TokenType.DISTINCT:
            parts[-1].append(token)
    literals = (TokenType.NUMBER, TokenType.STRING, TokenType.STAR)
    found = [
        text[part[0].start : part[-1].end + 1]
        for part in parts
        if part and not (len(part) == 1 and part[0].token_type in literals)
    ]
    return found, is_ordered


def _closing(tokens: list[Token], opening: int) -> int:
    """Return the index of the bracket that closes the one at `opening`."""
    depth = 0
    for i in range(opening, len(tokens)):
        depth += (tokens[i].token_type == TokenType.L_PAREN) - (
            tokens[i].token_type == TokenType.R_PAREN
        )
        if depth == 0:
            return i
    raise AssertionError("a parsed expression has balanced brackets")


def _opening(tokens: list[Token], closing: int) -> int:
    """Return the index of the bracket that the one at `closing` closes."""
    depth = 0
    for i in range(closing, -1, -1):
        depth += (tokens[i].token_type == TokenType.R_PAREN) - (
            tokens[i].token_type == TokenType.L_PAREN
        )
        if depth == 0:
            return i
    raise AssertionError("a parsed expression has balanced brackets")


def _function(tokens: list[Token], over: int) -> tuple[str, int]:
    """Return the function that the window at `over` belongs to, and where its bracket closes."""
    closing = over - 1
    while True:
        while tokens[closing].token_type != TokenType.R_PAREN:
            closing -= 1  # ignore nulls
        before = _opening(tokens, closing) - 1
        if tokens[before].text.lower() != "filter":
            return tokens[before].text.lower(), closing
        closing = before - 1


def _frame(tokens: list[Token], start: int, end: int) -> int:
    """Return the index of a window's frame, or of the bracket that closes the window."""
    depth = 0
    for i in range(start, end):
        depth += (tokens[i].token_type == TokenType.L_PAREN) - (
            tokens[i].token_type == TokenType.R_PAREN
        )
        # A column may be called rows; a frame goes on with its bounds.
        begins = tokens[i].token_type != TokenType.IDENTIFIER and tokens[i].text.lower() in (
            "rows", "range", "groups",
        )  # fmt: skip
        if depth == 0 and begins and _is_bound(tokens[i + 1]):
            return i
    return end


def _is_bound(token: Token) -> bool:
    words = ("between", "unbounded", "current", "interval")
    return token.text.lower() in words or token.token_type == TokenType.NUMBER
