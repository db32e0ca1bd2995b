"""Enclosing: the SELECT around a place of a query, as far as it reads one relation alone."""

from __future__ import annotations

import sqlglot
from sqlglot import Token, TokenType

_SETS = (TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT)
# What may follow upon the relation and leaves it all its rows.
_HARMLESS = (TokenType.QUALIFY, TokenType.ORDER_BY)
_NAMES = (TokenType.VAR, TokenType.IDENTIFIER)


def alone_in(text: str, place: range, relation: str) -> str | None:
    """Return how the SELECT around a place calls a relation that it reads alone, and whole.

    None where it reads another one, or joins, filters or groups the rows.
    """
    tokens = sqlglot.tokenize(text, read="duckdb")
    at = next(i for i, token in enumerate(tokens) if token.start == place.start)
    select = _select_around(tokens, at)
    start = next((i for i in select if tokens[i].token_type == TokenType.FROM), None)
    if start is None or start + 1 >= len(tokens) or tokens[start + 1].text.lower() != relation:
        return None
    called, rest = tokens[start + 1].text, [i for i in select if i > start + 1]
    if rest and tokens[rest[0]].token_type == TokenType.ALIAS:
        called, rest = tokens[rest[1]].text, rest[2:]
    elif rest and tokens[rest[0]].token_type in _NAMES:
        called, rest = tokens[rest[0]].text, rest[1:]
    is_whole = not rest or tokens[rest[0]].token_type in _HARMLESS
    return called if is_whole else None


def _select_around(tokens: list[Token], at: int) -> list[int]:
    """Return the tokens of the SELECT around one that stand in none of its brackets."""
    depth, depths = 0, list[int]()
    for token in tokens:
        depth -= token.token_type == TokenType.R_PAREN
        depths.append(depth)
        depth += token.token_type == TokenType.L_PAREN
    for level in range(depths[at], -1, -1):
        first = next((i for i in range(at, -1, -1) if depths[i] < level), -1) + 1
        last = next((i for i in range(at, len(tokens)) if depths[i] < level), len(tokens))
        own = [i for i in range(first, last) if depths[i] == level]
        if any(tokens[i].token_type == TokenType.SELECT for i in own):
            sets = [i for i in own if tokens[i].token_type in _SETS]
            begin = max((i for i in sets if i < at), default=first - 1)
            end = min((i for i in sets if i > at), default=last)
            return [i for i in own if begin < i < end]
    return []
