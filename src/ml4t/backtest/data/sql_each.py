"""SqlEach: queries of one run, asked of every run at once.

A query names its tables as ``main.x`` and its views as ``report.x``. Here each of these has the
rows of all runs, by ``run_number``, and the query is joined sideways to the runs: of that the
database makes one plan over all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ml4t.backtest.data.sql_files import Sql, columns, render

# A table or a view, with the name that it may get there.
_NAMED = re.compile(r"\b(?:main|report)\.(\w+)(?:\s+as\s+(\w+))?")


def for_each(query: str) -> Sql:
    """Return what a query of one run says of every run, beside its number.

    In it the row of ``every_run`` is `run`.
    """

    def own(found: re.Match[str]) -> str:
        place, name, alias = found[0].split()[0], found[1], found[2]
        return f"({render('many_runs/own', relation=place)}) as {alias or name}"

    return render("many_runs/each", query=_NAMED.sub(own, query))


def by_run(views: Mapping[str, Iterable[str]]) -> str:
    """Return a query of columns of views that have one row per run, joined by its number.

    Parameters
    ----------
    views : mapping of str to iterable of str
        Columns by view, in order.
    """
    first, *others = views
    items = [columns(names, name) for name, names in views.items()]
    joins = [f"inner join report.{name} using (run_number)" for name in others]
    return "\n".join([
        f"select {first}.run_number, {', '.join(items)}", f"from report.{first}", *joins,
        "order by run_number asc",
    ])  # fmt: skip
