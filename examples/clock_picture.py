"""Draw one bar with what happens in it: ``python examples/clock_picture.py`` writes the SVG.

The guide's page of the clock shows it. Steps and their order are those of the engine's loop.
"""

from __future__ import annotations

from pathlib import Path

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "clock.svg"
WIDTH, HEIGHT = 760, 330
LEFT, RIGHT, TOP = 20, 740, 58
# Of each moment: where it begins, its name, and what happens, in order.
MOMENTS = (
    (20, "close of the bar before", ("the strategy decides", "on what is known now")),
    (190, "before the open", ("interest, borrow fees", "splits, dividends,", "delistings")),
    (330, "open", ("exits of rules", "what reduces", "what increases")),
    (450, "inside", ("limits, stops,", "targets; both", "touched: the stop")),
    (
        570,
        "close",
        ("orders on close", "marks; levels of the", "next bar; limits", "strategy decides"),
    ),
)
# A made-up path of the price through the bar: x, y.
PATH = (
    (330, 165),
    (362, 188),
    (398, 150),
    (430, 172),
    (470, 120),
    (512, 140),
    (548, 92),
    (570, 104),
)
STYLE = """
    text { font: 12px system-ui, sans-serif; fill: #24292f }
    .name { font-weight: 600 }
    .time { stroke: #57606a; stroke-width: 1.5; fill: none }
    .price { stroke: #0969da; stroke-width: 2; fill: none }
    .order { stroke: #bc4c00; stroke-width: 1.5; fill: none; stroke-dasharray: 4 3 }
    .dot { fill: #bc4c00 }
    .arrow { fill: #bc4c00 }
    .span { fill: #57606a; opacity: .1 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .time { stroke: #8d96a0 } .price { stroke: #4493f8 }
      .order { stroke: #f0883e } .dot, .arrow { fill: #f0883e } .span { fill: #8d96a0 }
    }
"""


def picture() -> str:
    """Return the SVG."""
    axis = 215
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<title>One bar: what happens in which order</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="span" x="330" y="{TOP}" width="240" height="{axis - TOP}"/>',
        f'<path class="time" d="M{LEFT} {axis} H{RIGHT}"/>',
        f'<polyline class="price" points="{" ".join(f"{x},{y}" for x, y in PATH)}"/>',
        '<path class="price" d="M60 140 L100 128"/>',
        # Decided at one close, filled at the next open; and again at the close of this bar.
        *order(100, 128, 330, 165),
        *order(570, 104, 738, 92),
        '<text x="120" y="105">decided here, filled at the open</text>',
        '<text x="590" y="76">filled at the next open</text>',
        '<text class="name" x="400" y="48">the bar</text>',
    ]
    for x, name, steps in MOMENTS:
        parts.append(f'<path class="time" d="M{x} {axis - 5} v10"/>')
        parts.append(f'<text class="name" x="{x}" y="{axis + 24}">{name}</text>')
        parts += [
            f'<text x="{x}" y="{axis + 44 + 18 * i}">{step}</text>' for i, step in enumerate(steps)
        ]
    return "\n".join([*parts, "</svg>", ""])


def order(x: int, y: int, to_x: int, to_y: int) -> list[str]:
    """Return the way of an order: a dot where it is decided, an arrow where it fills."""
    return [
        f'<circle class="dot" cx="{x}" cy="{y}" r="4"/>',
        f'<path class="order" d="M{x} {y} L{to_x} {to_y}"/>',
        f'<path class="arrow" d="M{to_x} {to_y} l-8 -5 v10 z"/>',
    ]


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
