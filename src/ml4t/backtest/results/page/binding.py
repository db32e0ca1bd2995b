"""Binding: sections and the figures in them, made one page and put at its path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from ml4t.backtest.results.page.assembling import assembled, put_page
from ml4t.backtest.results.page.embedding import Embedded
from ml4t.backtest.results.page.gathering import Gathered, pack_figure
from ml4t.backtest.results.page.laying import navigation_html, section_html
from ml4t.backtest.results.page.packing import Packed


def bind_page(
    path: Path,
    sections: Mapping[str, Sequence[str]],
    figures: Iterable[Gathered],
    *,
    title: str,
    period: str,
    made: str,
    heading: str = "",
    strategy: str = "",
    packed: Packed | None = None,
    paths: Mapping[str, object] | None = None,
    embedded: Embedded | None = None,
) -> None:
    """Write a page.

    Parameters
    ----------
    sections : mapping of str to sequence of str
        What stands under each heading, as HTML.
    figures : iterable of Gathered
        Those whose rows its scripts read.
    title, period, made, heading, strategy : str
        Texts; the heading is the title by default.
    packed : Packed, optional
        What is packed already, such as what `paths` says of trades on their price.
    embedded : Embedded, optional
        The run as a database, with what reads it.

    Raises
    ------
    ResultError
        Something else than a page of ours stands there, or it cannot be written.
    """
    packed = Packed() if packed is None else packed
    head = {"figures": [pack_figure(one, packed) for one in figures], "paths": paths or {}}
    places = {
        "title": escape(title),
        "heading": escape(heading or title),
        "period": escape(period),
        "strategy": escape(strategy),
        "navigation": navigation_html(sections),
        "sections": "".join(section_html(name, parts) for name, parts in sections.items()),
        "made": escape(made),
    }
    put_page(assembled(places, packed.stream(head), embedded), path)
