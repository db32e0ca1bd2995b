"""``python -m ml4t.backtest``: the command line."""

from ml4t.backtest.cli.commands import main

main()
