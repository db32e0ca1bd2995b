"""Caching: the commands of a folder of prepared data."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from ml4t.backtest.cli.output import print_json, print_table
from ml4t.backtest.data.prepared_store.store import (
    PREPARED_STORE,
    PreparedSources,
    PreparedStore,
)
from ml4t.backtest.errors import ConfigError

cache = typer.Typer(no_args_is_help=True, help="Folders of prepared data, see Catalog(cache=...).")

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Of prepared data.")]
AsDocument = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_UNITS = ("", "k", "m", "g", "t")


@cache.command("ls")
def list_prepared(folder: Folder, as_json: AsDocument = False) -> None:
    """List what is kept, what was used last first."""
    _show("cache-ls", _existing(folder).kept(), as_json=as_json)


@cache.command("clear")
def clear_prepared(
    folder: Folder,
    older_than: Annotated[
        float | None, typer.Option(metavar="DAYS", help="What was not used for so many days.")
    ] = None,
    down_to: Annotated[
        str | None, typer.Option(metavar="SIZE", help="What is beyond, as 5GB; the oldest first.")
    ] = None,
    as_json: AsDocument = False,
) -> None:
    """Remove what is kept, but for what is in use; it is made anew when it is asked for."""
    gone = _existing(folder).clear(
        older_than=None if older_than is None else timedelta(days=older_than),
        down_to=None if down_to is None else _bytes_of(down_to),
    )
    if not as_json and not gone:
        typer.echo("nothing to remove")
        return
    _show("cache-clear", gone, as_json=as_json)
    if not as_json:
        typer.echo(f"removed {len(gone)}, {sum(one.n_bytes for one in gone):,} bytes")


def _show(command: str, found: list[PreparedSources], *, as_json: bool) -> None:
    if as_json:
        print_json(command, {"prepared": [asdict(one) for one in found]})
        return
    rows = [
        (one.key[:12], ", ".join(one.sources), one.n_bars, one.n_assets, one.n_bytes,
         f"{one.made:%Y-%m-%d %H:%M}", f"{one.used:%Y-%m-%d %H:%M}", "yes" if one.is_stale else "")
        for one in found
    ]  # fmt: skip
    names = ["key", "sources", "bars", "assets", "bytes", "made", "used", "stale"]
    print_table(names, rows)


def _existing(folder: Path) -> PreparedStore:
    if not PREPARED_STORE.is_at(folder):
        raise ConfigError(f"'{folder}' is no {PREPARED_STORE.what}")
    return PreparedStore(folder)


def _bytes_of(size: str) -> int:
    found = _SIZE.fullmatch(size.strip())
    if found is None:
        raise ConfigError(f"--down-to must be a size such as 5GB, was {size!r}")
    return int(float(found[1]) * 1024 ** _UNITS.index(found[2].lower()))
