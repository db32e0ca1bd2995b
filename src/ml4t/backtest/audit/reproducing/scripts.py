"""The scripts of a reproducer: what they say, and what they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import dedent

from ml4t.backtest.audit.reproducing.cells import ViewCell
from ml4t.backtest.audit.reproducing.files import (
    FOLDER_PLACE,
    KNOWN_FOLDER,
    WHOLE_FOLDER,
    WrittenSource,
)
from ml4t.backtest.audit.reproducing.own_code import OwnCode
from ml4t.backtest.core.tolerances import SAME_IN_COLUMN, SAME_NUMBER
from ml4t.backtest.data.sql_files import literal, quote, render, rows_of

SCRIPT = "reproduce.py"
# In which what an engine is given beside its sources is pickled.
GIVEN_FILE = "given.pickle"
_HEAD = '''\
"""{says}"""

from __future__ import annotations

{imports}
from pathlib import Path

{own}from ml4t.backtest import {names}

HERE = Path(__file__).resolve().parent
'''
_OVER = """

def over(query, folder):
    \"""Return a query over the files of a folder.\"""
    return query.replace({place!r}, str(folder).replace("'", "''"))
"""
_SOURCES = """

def sources(folder):
    \"""Return the sources over the files of a folder.\"""
    catalog = Catalog(timezone={timezone!r})
{registers}
    return catalog

"""
_CELL = """
CELL = {cell}


def value(folder):
    \"""Return the value of the cell over the files of a folder.\"""
    rows = sources(folder).sql(CELL).fetchall()
    return rows[0][0] if rows else "no row"


def is_same(one, other):
    if isinstance(one, float) and isinstance(other, float):
        is_near = isclose(one, other, rel_tol={same_number}, abs_tol={same_in_column})
        return is_near or (one != one and other != other)
    return one == other


whole, known = value(HERE / {whole!r}), value(HERE / {known!r})
print({where!r})
print("  with all rows:        ", whole)
print("  with what was known:  ", known)
if is_same(whole, known):
    print("the same: nothing of it was read from later rows")
else:
    print("it differs: it was read from later rows")
    sys.exit(1)
"""
_RUN = """

class Given(pickle.Unpickler):
    \"""What the engine is given; what is defined above goes by its name.\"""

    def persistent_load(self, name):
        return globals()[name]


with open(HERE / {given!r}, "rb") as file:
    given = Given(file).load()
# A cut at every bar but the first and the last.
audit = BacktestEngine(sources(HERE / {whole!r}), **given).audit({arguments})
found = audit.sql({query}).fetchall()
for bar, place, column, asset_id, value, other in found:
    print(f"{{place}} {{column or ''}} at {{bar}} of {{asset_id}}")
    print("  with all rows:        ", value)
    print("  with what was known:  ", other)
problems = audit.sql("select distinct problem from cuts where problem is not null").fetchall()
for (problem,) in problems:
    print("a run to a cut was not possible:", problem)
if found:
    print("it differs: it was decided by later rows")
    sys.exit(1)
elif problems:
    print("nothing can be said")
    sys.exit(2)
print("the same: nothing was decided by later rows")
"""
_FILL_IN = """
# Write each of these above, and take it out of here.
MISSING = {missing!r}
if MISSING:
    for name, why in MISSING.items():
        print(f"fill in {{name}} in {{__file__}}: {{why}}")
    sys.exit(2)
"""


def cell_script(
    says: str,
    cell: ViewCell,
    sources: Sequence[WrittenSource],
    timezone: str,
    largest: float,
) -> str:
    """Return the script that computes a cell over all rows, and over those known at its bar."""
    where = f"{cell.view}.{cell.column} at {cell.bar.text}"
    keys = f"timestamp = {cell.bar.sql}"
    if cell.asset_id is not None and cell.view == "signals":
        where += f" of {cell.asset_id}"
        keys += f" and asset_id::varchar = {literal(cell.asset_id)}"
    own = OwnCode()
    code = _code(sources, own, timezone)
    return _head(says, own, ("import sys", "from math import isclose"), "Catalog") + code + (
        _CELL.format(
            where=where, whole=WHOLE_FOLDER, known=KNOWN_FOLDER, same_number=SAME_NUMBER,
            same_in_column=SAME_IN_COLUMN * largest,
            cell=_text(rows_of(cell.view, quote(cell.column), where=keys)),
        )
    )  # fmt: skip


def run_script(
    says: str,
    sources: Sequence[WrittenSource],
    own: OwnCode,
    timezone: str,
    arguments: Mapping[str, object],
) -> str:
    """Return the script that audits a run over all rows.

    Parameters
    ----------
    own : OwnCode
        What the pickled arguments of the engine name.
    arguments : mapping
        Of the audit.
    """
    code = _code(sources, own, timezone)
    head = _head(says, own, ("import pickle", "import sys"), "BacktestEngine, Catalog")
    place = "poisoned" if arguments.get("poison") else "differences"
    other = "poisoned_value" if arguments.get("poison") else "cut_value"
    query = _text(render("audit/of_runs", differences=place, other=other))
    said = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    run = _RUN.format(given=GIVEN_FILE, whole=WHOLE_FOLDER, arguments=said, query=query)
    return head + code + run


def _head(says: str, own: OwnCode, imports: Sequence[str], names: str) -> str:
    """Return all that stands before the sources."""
    folders = [f"sys.path.append({folder!r})" for folder in own.folders]
    text = _HEAD.format(
        says=says, imports="\n".join(imports), names=names,
        own="".join(f"{line}\n" for line in (*folders, *own.imports)),
    ) + "".join(map(_apart, own.texts))  # fmt: skip
    return text + (_FILL_IN.format(missing=own.missing) if own.missing else "")


def _apart(text: str) -> str:
    """Return a text of the user's with the lines around it that Python's style asks for."""
    return f"\n\n{text}\n" if "\n" in text else f"{text}\n"


def _code(sources: Sequence[WrittenSource], own: OwnCode, timezone: str) -> str:
    """Return the queries of sources, and what registers all."""
    queries = "".join(
        f"\n{constant_of(one.name)} = {_text(one.query)}\n" for one in sources if one.query
    )
    over = _OVER.format(place=FOLDER_PLACE) if any(one.files for one in sources) else ""
    registers = "\n".join(_registers(sources, own))
    return queries + over + _SOURCES.format(timezone=timezone, registers=registers)


def _registers(sources: Sequence[WrittenSource], own: OwnCode) -> Iterator[str]:
    for one in sources:
        given = f"folder / {one.file!r}"
        if one.query:
            given = constant_of(one.name)
            given = f"over({given}, folder)" if one.files else given
        elif one.function is not None:
            given = own.add(one.function.call)
        options = dict(one.options)
        if one.name != one.role:
            options = {"name": one.name, **options}
        said = "".join(f", {name}={value!r}" for name, value in options.items())
        yield f"    catalog.register({one.role!r}, {given}{said})"


def constant_of(name: str) -> str:
    """Return the name of a source as that of a constant."""
    text = "".join(letter if letter.isalnum() else "_" for letter in name.upper())
    return text if text.isidentifier() else f"SOURCE_{text}"


def _text(query: str) -> str:
    """Return a query as a literal of Python, over several lines where it can be."""
    return repr(query) if '"""' in query else f'r"""\n{dedent(query).strip()}\n"""'
