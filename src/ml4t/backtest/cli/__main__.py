"""``python -m ml4t.backtest.cli``."""

from ml4t.backtest.cli.commands import main

main()
