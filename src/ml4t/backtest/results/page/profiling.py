"""Profiling: the offline page of a profile, made as that of a run is."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Protocol

from ml4t.backtest.data.database import Relation, interruptible
from ml4t.backtest.data.sql_files import rows_of
from ml4t.backtest.errors import ConfigError, require_path
from ml4t.backtest.results.page.binding import bind_page
from ml4t.backtest.results.page.gathering import gather_figure
from ml4t.backtest.results.page.laying import figure_html
from ml4t.backtest.results.page.profile_figures import PROFILE_FIGURES

# Those that the queries of its figures read.
READ_TABLES = {"columns", "coverage", "staleness", "drift", "dispersion", "gaps"}


class Profiled(Protocol):
    """A profile, as far as its page needs it: what `Catalog.profile` returns."""

    @property
    def title(self) -> str:
        """What it is, in words."""

    @property
    def tables(self) -> Mapping[str, str]:
        """Its tables, with what each shows."""

    @property
    def timezone(self) -> str:
        """The zone whose clock shows times."""

    def sql(self, query: str) -> Relation:
        """Run one query over the tables."""


@interruptible
def report_profile(profile: Profiled, path: str | Path) -> Path:
    """Write one offline page of what the columns of the sources hold, and when they were known.

    Parameters
    ----------
    profile : Tables
        What `Catalog.profile` returned.
    path : str or Path
        As in `BacktestResult.report`.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ConfigError
        `profile` is something else, or `path` no path.
    ResultError
        The page cannot be written.

    Examples
    --------
    >>> report_profile(catalog.profile("quarter"), "profile.html")   # doctest: +SKIP
    """
    target = require_path("path", path, "that of a page")
    if not set(getattr(profile, "tables", ())) >= READ_TABLES:
        raise ConfigError(
            f"report_profile writes the page of a profile, was given {profile!r}; write "
            'report_profile(catalog.profile(), "profile.html")'
        )
    gathered = [gather_figure(profile, one, profile.timezone) for one in PROFILE_FIGURES.values()]
    sections: dict[str, list[str]] = {}
    for one in gathered:
        how = _how(profile.title)
        sections.setdefault(one.figure.section, []).append(figure_html(one, one.note, how))
    bind_page(
        target,
        sections,
        gathered,
        title=profile.title.capitalize(),
        period=_span(profile),
        made=f"Made from the tables of the profile. Times are those of {profile.timezone}.",
    )
    return target


def _span(profile: Profiled) -> str:
    ends = "min(first_bar)::date, max(last_bar)::date, count(*)"
    bars = rows_of("gaps", ends, where="source = 'prices'")
    counts = rows_of("columns", "count(distinct source), count(*)")
    ((first, last, n_assets),) = profile.sql(bars).fetchall()
    ((n_sources, n_columns),) = profile.sql(counts).fetchall()
    return (
        f"{first} to {last}; assets with prices: {n_assets:,}, sources: {n_sources:,}, "
        f"columns: {n_columns:,}"
    )


def _how(title: str) -> str:
    """Return how a reader runs a query, as HTML."""
    period = escape(title.rpartition(" ")[2])
    return (
        f'Run it on the profile: <code>catalog.profile("{period}").sql("...").df()</code>, with '
        "the catalog of these sources."
    )
