"""Ordering: give every window of a user's expression a total order.

A float sum depends on the order of its rows, and that on the number of threads; so does
``row_number()`` among ties. The text is edited where a window closes, and nowhere else.
"""

from __future__ import annotations

import sqlglot
from sqlglot import Token, TokenType

from ml4t.backtest.errors import ExpressionError

# Ties do not change what these return, so their order stays as the user wrote it.
_PEERS = frozenset({"rank", "dense_rank", "percent_rank", "cume_dist"})
_POSITIONS = frozenset({"row_number", "ntile", "first_value", "last_value", "nth_value", "lag"})
_ORDER = " order by signals.sid asc "
_WHOLE = f"{_ORDER}rows between unbounded preceding and unbounded following"


def in_total_order(text: str) -> str:
    """Return an expression whose windows answer the same whatever the number of threads.

    Aggregates over a whole partition add up in the order of the assets; functions of a
    position break their ties by asset.

    Raises
    ------
    ExpressionError
        A ranking function has a window without an order.
    """
    tokens = sqlglot.tokenize(text, read="duckdb")
    edits: list[tuple[int, str]] = []
    for i, token in enumerate(tokens[:-1]):
        if token.token_type != TokenType.OVER or tokens[i + 1].token_type != TokenType.L_PAREN:
            continue
        end = _closing(tokens, i + 1)
        name, closing = _function(tokens, i)
        ordered = any(inner.token_type == TokenType.ORDER_BY for inner in tokens[i + 2 : end])
        if not ordered:
            if name in _PEERS | _POSITIONS:
                raise ExpressionError(text, f"calls {name}() over a window without order by")
            frame = _frame(tokens, i + 2, end)
            edits.append((tokens[frame].start, _WHOLE if frame == end else _ORDER))
        elif name in _POSITIONS:
            edits.append((tokens[_frame(tokens, i + 2, end)].start, ", signals.sid asc "))
        elif name not in _PEERS and tokens[_frame(tokens, i + 2, end)].text.lower() == "rows":
            # A frame of rows among ties would hold whichever came first.
            edits.append((tokens[_frame(tokens, i + 2, end)].start, ", signals.sid asc "))
        elif name not in _PEERS and tokens[closing - 1].token_type == TokenType.VAR:
            # Peers enter a running sum together; what they add up in is their own order.
            edits.append((tokens[closing].start, " order by signals.sid asc"))
    for position, addition in sorted(edits, reverse=True):
        text = text[:position] + addition + text[position:]
    return text


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


def _function(tokens: list[Token], over: int) -> tuple[str, int]:
    """Return the function that the window at `over` belongs to, and where its bracket closes."""
    closing = over - 1
    while True:
        while tokens[closing].token_type != TokenType.R_PAREN:
            closing -= 1  # ignore nulls
        depth, i = 0, closing
        while True:
            depth += (tokens[i].token_type == TokenType.R_PAREN) - (
                tokens[i].token_type == TokenType.L_PAREN
            )
            i -= 1
            if depth == 0:
                break
        if tokens[i].text.lower() != "filter":
            return tokens[i].text.lower(), closing
        closing = i - 1


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
