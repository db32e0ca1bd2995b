"""Write figures and picture of the real run: ``python examples/readme_figures.py``.

The figures go into the guide's page on real prices, the picture into it and the README.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from equity_picture import picture
from sp500_momentum import DATA, prepare, run_momentum

from ml4t.backtest import BacktestResult

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, PICTURE = DOCS / "guide" / "real-prices.md", DOCS / "pictures" / "sp500.svg"
TITLE = "12-1 momentum on S&amp;P 500 companies, 25 held, after costs"
ROWS = (
    ("Final value of 1,000,000", "final_value", "{:,.2f}"),
    ("CAGR", "cagr", "{:.2%}"),
    ("Volatility", "volatility", "{:.2%}"),
    ("Sharpe", "sharpe", "{:.2f}"),
    ("Max drawdown", "max_drawdown", "{:.2%}"),
    ("Drawdown from", "max_drawdown_start", "{}"),
    ("Bottom", "max_drawdown_bottom", "{}"),
    ("Recovered", "max_drawdown_end", "{}"),
    ("Exposure, mean", "exposure", "{:.2%}"),
    ("Fills", "n_fills", "{:,}"),
    ("Closed trades", "n_trades", "{:,}"),
    ("Dividends", "dividends", "{:,.2f}"),
    ("Costs", "costs", "{:,.2f}"),
)


def made(result: BacktestResult) -> tuple[str, str]:
    """Return the rows of the page, and the picture."""
    rows = "\n".join(f"| {label} | {text.format(result[name])} |" for label, name, text in ROWS)
    return rows, picture(result, TITLE, "momentum", "all members, equal weights, no costs")


def main() -> None:
    """Replace the rows between the page's markers, and the picture."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(DATA, Path(folder))
        rows, drawn = made(run_momentum(DATA, Path(folder)))
    text = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(r"(<!-- sp500 -->\n).*?(<!-- /sp500 -->)", re.DOTALL)
    PAGE.write_text(pattern.sub(rf"\g<1>{rows}\n\g<2>", text), encoding="utf-8")
    PICTURE.write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
