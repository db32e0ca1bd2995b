"""Plain expressions: what is read without the parser says what the parser and DuckDB would say."""

from __future__ import annotations

import json
import random

import duckdb
import pytest
from sqlglot.dialects.duckdb import DuckDB

from effort import examples
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.user_sql import parsed, total_order
from ml4t.backtest.data.user_sql.expressions import analyse, conjuncts, in_total_order
from ml4t.backtest.data.user_sql.names import Names
from ml4t.backtest.data.user_sql.plain import read_plain
from ml4t.backtest.data.user_sql.words import SQL_WORDS
from ml4t.backtest.errors import ExpressionError

COLUMNS = ("ml_score", "close", "timestamp", "Vol", "a1", "vix", "odd name", "rank", "sector")
NAMES = Names(signals=COLUMNS[:5] + COLUMNS[6:], market=("timestamp", "vix"), extra=("score",))
# What makes of a plain expression one of another kind, or none.
STRANGE = (
    "--", "/*", "*/", ";", "'", '"', "(", ")", ",", ".", "::", "?", "$1", "#1", "@", "->", "||",
    "**", "//", "==", "<=>", "!", "~", "^", "&", "|", "%", "{{", "[1]", "\\", "\x00", "\xa0", "é",
    "x", "1", "1.", ".5", "0x1", "1e", "1_0", "e'a'", "U&'a'", "$$a$$", "not", "and", "or", "is",
    "in", "between", "case", "when", "then", "else", "end", "null", "distinct from", "isnull",
    "over ()", "over (partition by timestamp)", "lead(close)", "sum(close)", "row_number()",
    "random()", "current_date", "now()", "select 1", "(select 1)", "union select 1", "as x",
    "from t", "limit 1", "interval 1 day", "date '2024-01-01'", "cast", "collate nocase", "*",
    "exclude", "like 'a%'", "similar to", "escape", "at time zone", "all", "any", "exists",
    "lambda", "unnest", "array", "struct", "map", "columns", "columns(*)", "default", "signals.",
    "market.", "raw.", "unknown", "true", "ordered", "within group", "filter", "-", "+", "<", "=",
)  # fmt: skip


@pytest.fixture(scope="module")
def database() -> Database:
    return Database()


def expression(draw: random.Random, depth: int = 2) -> str:
    """One expression of the grammar, spelled in some way."""

    def gap() -> str:
        return draw.choice([" ", " ", "  ", "\n", "\t "])

    def name() -> str:
        one = draw.choice(COLUMNS)
        table = "market" if one == "vix" else "signals"
        one = draw.choice([str.upper, str.lower, str])(one)
        one = f'"{one}"' if " " in one or draw.random() < 0.2 else one
        return f"{table}.{one}" if draw.random() < 0.2 else one

    def factor(depth: int) -> str:
        sign = draw.choice(["", "", "", "- ", "-", "+"])
        kinds = [
            name,
            lambda: draw.choice(["1", "0.5", "20", "1e-3", "2.5E10"]),
            lambda: draw.choice(["'Tech'", "'2024-01-02 10:00:00'", "''", "'a/b'"]),
            lambda: draw.choice(["null", "TRUE", "false"]),
        ]
        if depth:
            kinds += [
                lambda: f"({expression(draw, depth - 1)})",
                lambda: (
                    f"case when {expression(draw, depth - 1)} then {total(0)} "
                    f"{draw.choice(['', f'else {total(0)} '])}end"
                ),
            ]
        return sign + draw.choice(kinds)()

    def total(depth: int) -> str:
        signs = draw.choices([" + ", " - ", " * ", " / ", " % "], k=draw.choice([0, 0, 1, 2]))
        return factor(depth) + "".join(sign + factor(depth) for sign in signs)

    def compared(depth: int) -> str:
        left = total(depth)
        return gap().join(
            draw.choice(
                [
                    [left],
                    [left, draw.choice(["=", "<>", "!=", "<", "<=", ">", ">="]), total(depth)],
                    [left, "is", *draw.choice([[], ["NOT"]]), draw.choice(["null", "true"])],
                    [left, *draw.choice([[], ["not"]]), "between", total(0), "AND", total(0)],
                    [left, *draw.choice([[], ["not"]]), "in", f"({total(0)}, {total(0)})"],
                ]
            )
        )

    parts = [draw.choice(["", "", "not "]) + compared(depth) for _ in range(draw.choice([1, 1, 3]))]
    return "".join(
        part if i == 0 else f"{gap()}{draw.choice(['and', 'AND', 'or'])}{gap()}{part}"
        for i, part in enumerate(parts)
    )


def named_by_duckdb(text: str) -> set[tuple[str, ...]]:
    """Names of the columns that DuckDB's own parser finds; every node is of a plain kind."""
    query = "select json_serialize_sql(?)"
    found = json.loads(duckdb.execute(query, [f"select {text}\n"]).fetchall()[0][0])
    assert not found["error"], (text, found)
    (statement,) = found["statements"]
    (item,) = statement["node"]["select_list"]
    names, todo = set(), [item]
    while todo:
        node = todo.pop()
        if isinstance(node, list):
            todo += node
        elif isinstance(node, dict):
            if node.get("class") == "COLUMN_REF":
                names.add(tuple(node["column_names"]))
            if node.get("class") == "FUNCTION":
                assert node["function_name"] in {*"+-*/%"}, text
                assert node["schema"] == "", text
            assert node.get("class") in {
                None, "BETWEEN", "CASE", "CAST", "COLUMN_REF", "COMPARISON", "CONJUNCTION",
                "CONSTANT", "FUNCTION", "OPERATOR", "TYPE",
            }, (text, node["class"])  # fmt: skip
            todo += node.values()
    return names


def judged(text: str, database: Database) -> set[str] | str:
    """The columns that the parser finds, or its refusal."""
    try:
        return parsed.analyse_parsed(text, NAMES, database, one_row=True)
    except ExpressionError as error:
        return str(error)


def require_equal(text: str, database: Database) -> bool:
    """Hold an expression that is plain against both parsers; return whether it is one."""
    said = read_plain(text)
    if said is None:
        return False
    spelled = {name if table == "" else f"{table}.{name}" for table, name in said.columns}
    assert spelled == {".".join(names) for names in named_by_duckdb(text)}, text
    try:
        found: set[str] | str = analyse(text, NAMES, database, one_row=True)
    except ExpressionError as error:
        found = str(error)
    assert found == judged(text, database), text
    assert total_order.windows_in_total_order(text) == in_total_order(text) == text
    assert parsed.conjuncts_parsed(text) == conjuncts(text), text
    return True


def test_a_plain_expression_is_judged_as_the_parser_judges_it(database: Database) -> None:
    draw = random.Random(5)
    texts = [expression(draw) for _ in range(examples(25))]
    n_plain = sum(require_equal(text, database) for text in texts)
    assert n_plain > 0.9 * len(texts)


def test_what_is_hardly_plain_is_left_to_the_parser_or_judged_alike(database: Database) -> None:
    draw = random.Random(6)
    n_plain = 0
    n_texts = examples(80)
    for _ in range(n_texts):
        text = expression(draw, 1)
        for _ in range(draw.choice([1, 1, 2])):
            at = draw.randrange(len(text) + 1)
            n_cut = draw.choice([0, 0, 1, 3])
            space = draw.choice(["", " "])
            text = text[:at] + space + draw.choice(STRANGE) + space + text[at + n_cut :]
        n_plain += require_equal(text, database)
    assert 0.02 * n_texts < n_plain < 0.6 * n_texts


def test_each_word_of_sql_is_a_name_to_neither_or_to_both() -> None:
    duckdb_words = {
        word for (word,) in duckdb.sql("select keyword_name from duckdb_keywords()").fetchall()
    }
    words = {word.lower() for word in DuckDB.Tokenizer.KEYWORDS}
    words |= {kind.name.lower() for kind in DuckDB.Parser.NO_PAREN_FUNCTIONS}
    words |= {word.lower() for word in DuckDB.Parser.NO_PAREN_FUNCTION_PARSERS}
    own = {word for word in words | duckdb_words if word.isidentifier()}
    assert own - SQL_WORDS == {"close", "timestamp"}


@pytest.mark.parametrize("word", ["current_date", "User", "date", "interval", "rank", "localtime"])
def test_a_column_called_as_a_word_of_sql_is_left_to_the_parser(word: str) -> None:
    assert (read_plain(f"{word} > 1") is None) is (word != "rank")
    assert read_plain(f'"{word}" > 1') is not None
