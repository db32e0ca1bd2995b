"""W1 on phasor-trader; --engine margin uses the account that borrows without asking.

Asked to do exactly the rule: from_orders with target percents in one shared account, the orders in
the row of the fill bar with price=open, at which the targets are valued too. A cash account of
phasor refuses an overdraft, so it gets leverage=2, lazy and without interest, which borrows only
what is missing, and sells first (call_seq="auto"), since a buy without any own cash is refused. A
margin account needs no order of the fills and gives the same equity in a quarter of the loop's
time. Result of both: equal to numpy_w1 up to float rounding, with every fill recorded.

It cannot read the files as they are (dense matrices only, here by pyarrow and NumPy), rank,
join as of a time, or check a price against the bar; its tables are orders and trades. W2 is not
expressed: from_orders has no stops, and from_signals no target percents.
"""

from typing import Any

import phasor
from _common import COMMISSION, INITIAL_CASH, SLIPPAGE, arguments, report
from _panel import read_panel

ACCOUNTS: dict[str, dict[str, Any]] = {
    "cash": {"leverage": 2.0, "call_seq": "auto"},
    "margin": {"account_type": "margin", "initial_margin": 0.5},
}


def main() -> None:
    args = arguments("W1", engines=("cash", "margin"), any_interval=True)
    panel = read_panel(args.data_dir, ["open", "close"])
    portfolio = phasor.from_orders(
        panel.prices["close"],
        panel.weights_at_fills(args.every),
        size_type="targetpercent",
        price=panel.prices["open"],
        fees=COMMISSION,
        slippage=SLIPPAGE,
        init_cash=INITIAL_CASH,
        cash_sharing=True,
        **ACCOUNTS[args.engine],
    )
    equity, fills = portfolio.value(group=0)[-1], len(portfolio.orders()["price"])
    report(f"phasor-{args.engine}", "phasor-trader", args.workload, equity, fills)


if __name__ == "__main__":
    main()
