"""Write the figures of the real run into the README: ``python examples/readme_figures.py``."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from sp500_momentum import DATA, prepare, run_momentum

README = Path(__file__).resolve().parents[1] / "README.md"
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


def section(folder: Path) -> str:
    """Run the example in `folder` and return the README's rows."""
    prepare(DATA, folder)
    result = run_momentum(DATA, folder)
    return "\n".join(f"| {label} | {text.format(result[name])} |" for label, name, text in ROWS)


def main() -> None:
    """Replace the rows between the README's markers."""
    with tempfile.TemporaryDirectory() as folder:
        rows = section(Path(folder))
    text = README.read_text(encoding="utf-8")
    pattern = re.compile(r"(<!-- sp500 -->\n).*?(<!-- /sp500 -->)", re.DOTALL)
    README.write_text(pattern.sub(rf"\g<1>{rows}\n\g<2>", text), encoding="utf-8")


if __name__ == "__main__":
    main()
