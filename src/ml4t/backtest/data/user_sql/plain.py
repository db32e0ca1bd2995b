"""Plain expressions: those in which everything is a column, a constant or arithmetic on them.

They have no window, aggregate, subquery, statement or call, so that nothing in them can look ahead
or be another in the next run: all that is left to check is which columns they name. `read_plain`
takes what it knows, spelled in the one way that has one meaning, and nothing else; what it does not
take is for the parser, which loads for a tenth of a second and judges everything.

    either    = both {"or" both}
    both      = not {"and" not}
    not       = ["not"] compared
    compared  = sum [sign sum | "is" ["not"] constant | ["not"] "between" sum "and" sum
                     | ["not"] "in" "(" sum {"," sum} ")"]
    sum       = factor {("+" | "-" | "*" | "/" | "%") factor}
    factor    = ["+" | "-"] (number | text | constant | column | "(" either ")" | case)
    case      = "case" "when" either "then" either {...} ["else" either] "end"
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from ml4t.backtest.data.user_sql.words import SQL_WORDS

# A sign is followed by none of its kind: two of them could be one of another meaning, or a comment.
_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
        (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<text>'[A-Za-z0-9_ .:/-]*'(?!'))
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?![A-Za-z0-9_$"']))
      | "(?P<quoted>[A-Za-z_][A-Za-z0-9_ ]*)"(?!")
      | (?P<sign>(?:<>|!=|<=|>=|[-+*/%<>=])(?![-+*/%<>=!~@\#^&|`?:]))
      | (?P<mark>[().,])
    )""",
    re.VERBOSE | re.ASCII,
)
_COMPARES = frozenset(["=", "<>", "!=", "<", "<=", ">", ">="])
_ADDS = frozenset("+-*/%")
_CONSTANTS = frozenset(["null", "true", "false"])
# Beyond these a parser of either kind may have a limit of its own.
_LONGEST, _DEEPEST = 2_000, 40


class Plain(NamedTuple):
    """What a plain expression says.

    Attributes
    ----------
    columns : tuple of (str, str)
        Table, empty where none is named, and name of every column, as they are spelled.
    conjuncts : tuple of str
        The conditions that it joins by AND.
    """

    columns: tuple[tuple[str, str], ...]
    conjuncts: tuple[str, ...]


class _NotPlainError(Exception):
    """An expression goes on as no plain one does."""


@lru_cache(maxsize=256)
def read_plain(text: str) -> Plain | None:
    """Return what an expression says if it is plain, else None."""
    if len(text) > _LONGEST:
        return None
    try:
        return _Reading(text).whole()
    except _NotPlainError:
        return None


class _Reading:
    """Reads one expression from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._columns = text, list[tuple[str, str]]()
        self._place = self._depth = 0
        # Kind and spelling of the token ahead, and where it and the one before it end.
        self._kind, self._token, self._end, self._before = "", "", 0, 0
        self._go()

    def whole(self) -> Plain:
        """Return what the expression says.

        Raises
        ------
        _NotPlainError
        """
        sides = [self._both()]
        while self._takes("or"):
            sides.append(self._both())
        if self._kind:
            raise _NotPlainError
        joined = sides[0]
        if len(sides) > 1:
            is_mixed = any(len(side) > 1 for side in sides)
            joined = (self._text if is_mixed else self._text.strip(" \t\r\n"),)
        return Plain(tuple(self._columns), joined)

    def _go(self) -> None:
        """Move on to the next token; of no kind: the end."""
        self._before = self._end
        found = _TOKEN.match(self._text, self._end)
        if found is not None and found.lastgroup is not None:
            self._kind, self._token = found.lastgroup, found[found.lastgroup]
            self._place, self._end = found.start(found.lastgroup), found.end()
            if self._kind == "quoted":
                self._place -= 1
        elif self._text[self._end :].strip(" \t\r\n"):
            raise _NotPlainError
        else:
            self._kind, self._token = "", ""

    def _takes(self, *words: str) -> bool:
        """Move on if words, or a mark, are ahead; the first decides."""
        if self._kind not in ("name", "mark") or self._token.lower() != words[0]:
            return False
        self._go()
        for word in words[1:]:
            self._needs(word)
        return True

    def _needs(self, word: str) -> None:
        if not self._takes(word):
            raise _NotPlainError

    def _takes_sign(self, signs: Collection[str]) -> bool:
        is_one = self._kind == "sign" and self._token in signs
        if is_one:
            self._go()
        return is_one

    def _either(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _NotPlainError
        self._both()
        while self._takes("or"):
            self._both()
        self._depth -= 1

    def _both(self) -> tuple[str, ...]:
        parts = []
        while True:
            start = self._place
            self._takes("not")
            self._compared()
            parts.append(self._text[start : self._before])
            if not self._takes("and"):
                return tuple(parts)

    def _compared(self) -> None:
        self._sum()
        if self._takes_sign(_COMPARES):
            self._sum()
        elif self._takes("is"):
            self._takes("not")
            self._constant()
        else:
            is_not = self._takes("not")
            if self._takes("between"):
                self._sum()
                self._needs("and")
                self._sum()
            elif self._takes("in", "("):
                self._sum()
                while self._takes(","):
                    self._sum()
                self._needs(")")
            elif is_not:
                raise _NotPlainError

    def _sum(self) -> None:
        self._factor()
        while self._takes_sign(_ADDS):
            self._factor()

    def _factor(self) -> None:
        self._takes_sign("+-")
        if self._kind in ("number", "text"):
            self._go()
        elif self._takes("("):
            self._either()
            self._needs(")")
        elif self._takes("case"):
            self._case()
        elif self._kind == "name" and self._token.lower() in _CONSTANTS:
            self._go()
        else:
            self._column()

    def _case(self) -> None:
        self._needs("when")
        while True:
            self._either()
            self._needs("then")
            self._either()
            if not self._takes("when"):
                break
        if self._takes("else"):
            self._either()
        self._needs("end")

    def _constant(self) -> None:
        if self._kind != "name" or self._token.lower() not in _CONSTANTS:
            raise _NotPlainError
        self._go()

    def _column(self) -> None:
        table, name = "", self._name()
        if self._takes("."):
            table, name = name, self._name()
        if self._takes("."):
            raise _NotPlainError
        self._columns.append((table, name))

    def _name(self) -> str:
        is_word = self._kind == "name" and self._token.lower() not in SQL_WORDS
        if not is_word and self._kind != "quoted":
            raise _NotPlainError
        name = self._token
        self._go()
        return name
