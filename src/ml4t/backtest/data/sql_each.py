"""SqlEach: queries of one run, asked of every run at once.

A query names its tables as ``main.x`` and its views as ``report.x``. Here each of these has the
rows of all runs, by ``run_number``, and the query is joined sideways to the runs: of that the
database makes one plan over all of them.
"""

from __future__ import annotations

import re

from ml4t.backtest.data.sql_files import Sql, render

# A table or a view, with the name that it may get there.
_NAMED = re.compile(r"\b(?:main|report)\.(\w+)(?:\s+as\s+(\w+))?")
_JOINED = re.compile(r"positional join (report\.\w+)")
_ALL_OF = re.compile(r"(\w+)\.\*")


def for_each(query: str) -> Sql:
    """Return what a query of one run says of every run, beside its number.

    In it the row of ``every_run`` is `run`.
    """

    def own(found: re.Match[str]) -> str:
        place, name, alias = found[0].split()[0], found[1], found[2]
        return f"({render('many_runs/own', relation=place)}) as {alias or name}"

    return render("many_runs/each", query=_NAMED.sub(own, query))


def by_run(query: str, first: str) -> str:
    """Return a query that joins rows by position as one that joins them by the number of a run.

    Parameters
    ----------
    first : str
        The relation whose rows it begins with.
    """
    text = _ALL_OF.sub(r"\1.* exclude (run_number)", query)
    text = _JOINED.sub(r"inner join \1 using (run_number)", text)
    text = text.replace("select", f"select {first}.run_number,", 1)
    return f"{text}\norder by run_number asc"
