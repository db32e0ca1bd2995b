"""The command line: `ml4t-backtest`.

Results go to stdout, progress and errors to stderr. Exit codes: 0 done, 1 an error of the
package, of the user's SQL or of the file system, 2 a command line that cannot be read, 130
interrupted. `runfile` documents the TOML file of `run`, `explain` and `inspect`.
"""

from ml4t.backtest.cli.commands import app, main

__all__ = ["app", "main"]
