"""The entry of the command line, which answers Ctrl-C while the package is still being imported.

It stands beside the package: a module within it could only be imported after all of it, which
takes a second. ``python -m ml4t.backtest`` has no such entry.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys

INTERRUPTED = 130
# As `ml4t.backtest.cli.group` tells a program of it.
DOCUMENT = {
    "schema": "ml4t-backtest/error/1",
    "kind": "KeyboardInterrupt",
    "message": "interrupted",
    "exit_code": INTERRUPTED,
    "facts": {},
}


def main() -> None:
    """Run the command line."""
    # A shell has programs in the background ignore it: they go on to.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    # What is imported stays to the end: the collector need not walk it, at the end least of all.
    # A library may not do so, for the process has objects of others; this one has none yet.
    gc.disable()
    from ml4t.backtest.cli.commands import main as run

    gc.freeze()
    gc.enable()
    run()


def begin() -> None:
    """Have Ctrl-C be a KeyboardInterrupt again: a command has begun, which may have more to end."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    # No exception: what is being imported might take it for its own. Nothing is open yet.
    os.write(2, b"interrupted\n")
    if "--json" in sys.argv:
        os.write(1, f"{json.dumps(DOCUMENT, indent=2)}\n".encode())
    os._exit(INTERRUPTED)
