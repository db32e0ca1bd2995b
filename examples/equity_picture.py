"""Draw equity, its benchmark and its drawdown as SVG, from the tables of a result."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ml4t.backtest import BacktestResult

WIDTH, LEFT, RIGHT = 760, 56, 750
# Top and bottom of the two panels.
EQUITY, DRAWDOWN = (34, 230), (262, 340)
N_POINTS = 400
STYLE = """
    text { font: 11px system-ui, sans-serif; fill: #57606a }
    .title { font-size: 13px; font-weight: 600; fill: #24292f }
    .grid { stroke: #57606a; opacity: .18 }
    .own { stroke: #0969da; fill: none; stroke-width: 1.6 }
    .other { stroke: #6e7781; fill: none; stroke-width: 1.2 }
    .down { stroke: none; fill: #cf222e; opacity: .55 }
    .own-text { fill: #0969da } .other-text { fill: #6e7781 }
    @media (prefers-color-scheme: dark) {
      text, .other-text { fill: #8d96a0 } .title { fill: #e6edf3 }
      .own { stroke: #4493f8 } .own-text { fill: #4493f8 } .other { stroke: #8d96a0 }
    }
"""
QUERY = """
    select
        year(equity.timestamp) + (dayofyear(equity.timestamp) - 1) / 366,
        equity.equity,
        benchmark.value,
        min(equity.drawdown) over (order by equity.timestamp rows between $step preceding
            and current row)
    from equity inner join benchmark on equity.timestamp = benchmark.timestamp
    qualify (row_number() over (order by equity.timestamp) - 1) % $step = 0
        or row_number() over (order by equity.timestamp desc) = 1
    order by equity.timestamp
"""


def picture(result: BacktestResult, title: str, own: str, other: str) -> str:
    """Return the SVG: equity on a logarithmic scale, below it the worst drawdown of each step."""
    step = max(1, int(result["n_bars"]) // N_POINTS)
    rows = result.sql(QUERY.replace("$step", str(step))).fetchall()
    years, equity, benchmark, drawdown = zip(*rows, strict=True)
    first, last = years[0], years[-1]
    low, high = min(*equity, *benchmark), max(*equity, *benchmark)
    deepest = min(drawdown)

    def x(year: float) -> float:
        return LEFT + (year - first) / (last - first) * (RIGHT - LEFT)

    def at(value: float) -> float:
        return EQUITY[1] - math.log(value / low) / math.log(high / low) * (EQUITY[1] - EQUITY[0])

    def below(value: float) -> float:
        return DRAWDOWN[0] + value / deepest * (DRAWDOWN[1] - DRAWDOWN[0])

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 362" role="img">',
        f"<title>{title}: equity and drawdown</title>",
        f"<style>{STYLE}</style>",
        f'<text class="title" x="{LEFT}" y="18">{title}</text>',
    ]
    for value in ticks(low, high):
        parts.append(f'<path class="grid" d="M{LEFT} {at(value):.1f} H{RIGHT}"/>')
        parts.append(f'<text x="4" y="{at(value) + 4:.1f}">{value / 1e6:g}m</text>')
    for year in range(math.ceil(first), math.floor(last) + 1, 2):
        parts.append(f'<path class="grid" d="M{x(year):.1f} {EQUITY[0]} V{DRAWDOWN[1]}"/>')
        parts.append(f'<text x="{x(year) - 12:.1f}" y="{DRAWDOWN[1] + 16}">{year}</text>')
    places = [x(year) for year in years]
    down = [(LEFT, DRAWDOWN[0]), *zip(places, map(below, drawdown), strict=True)]
    parts += [
        line("other", zip(places, map(at, benchmark), strict=True)),
        line("own", zip(places, map(at, equity), strict=True)),
        f'<polygon class="down" points="{points([*down, (RIGHT, DRAWDOWN[0])])}"/>',
        f'<text class="own-text" x="{LEFT + 10}" y="{EQUITY[0] + 16}">{own}: '
        f"{result['final_value']:,.0f}</text>",
        f'<text class="other-text" x="{LEFT + 10}" y="{EQUITY[0] + 32}">{other}: '
        f"{benchmark[-1]:,.0f}</text>",
        f'<text x="{LEFT}" y="{DRAWDOWN[0] - 6}">drawdown, at worst {deepest:.1%}</text>',
        "</svg>",
        "",
    ]
    return "\n".join(parts)


def line(kind: str, places: Iterable[tuple[float, float]]) -> str:
    """Return a line through points."""
    return f'<polyline class="{kind}" points="{points(places)}"/>'


def points(places: Iterable[tuple[float, float]]) -> str:
    """Return points as SVG writes them."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 of each power of ten between two values."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [k * 10.0**p for p in powers for k in (1, 2, 5) if low <= k * 10.0**p <= high]
