"""Markdown tables of what was measured."""

from __future__ import annotations

from entrants import FLOOR, OURS, PEERS, SIZES
from measure import Figures

HEAD = (
    "| process | CPU s (min to max) | of the floor | of ours | wall s (min to max) | of the floor "
    "| of ours | peak MB | final equity | fills | cannot |"
)


def spread(one: Figures, kind: str) -> str:
    values = getattr(one, kind)
    if len(values) == 1:
        return f"{values[0]:.2f} (one run)"
    return f"{one.median(kind):.2f} ({min(values):.2f} to {max(values):.2f})"


def against(one: Figures, other: Figures | None, kind: str) -> str:
    """Return the ratio of the medians, as the table shows both."""
    if other is None or other.failure:
        return "-"
    return f"{one.median(kind) / other.median(kind):.2f}"


def titled(name: str, one: Figures) -> str:
    """Return the peer's name with its version, where it has not got it yet."""
    version = str(one.facts.get("version", "")) if name in PEERS else ""
    head, comma, tail = name.partition(",")
    return name if not version or version in head else f"{head} {version}{comma}{tail}"


def row(name: str, one: Figures, measured: dict[str, Figures]) -> str:
    peer = PEERS.get(name)
    title = titled(name, one)
    if one.failure:
        return f"| {title} | failed: {one.failure} |" + " |" * 9
    floor, ours = measured.get(FLOOR), measured[OURS]
    cells = [title]
    for kind in ("cpu", "wall"):
        cells += [spread(one, kind), against(one, floor, kind), against(one, ours, kind)]
    equity, fills = one.facts["final_equity"], one.facts["fills"]
    counted = "-" if fills is None else f"{fills:,}"
    cells += [f"{max(one.megabytes):.0f}", f"{equity:,.3f}", counted, peer.cannot if peer else ""]
    return "| " + " | ".join(cells) + " |"


def table(size: str, workload: str, measured: dict[str, Figures]) -> str:
    market = SIZES[size]
    title = f"### {workload}, {size}: {market.n_assets:,} assets x {market.n_bars:,} {market.unit}"
    rows = [row(name, one, measured) for name, one in measured.items()]
    return "\n".join([title, "", HEAD, "|---" * 11 + "|", *rows]) + "\n"
