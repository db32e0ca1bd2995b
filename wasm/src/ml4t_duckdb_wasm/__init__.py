"""DuckDB-Wasm and Arrow, as files compressed by gzip."""

from __future__ import annotations

from importlib.resources import files

VERSION = "1.32.0"
NAMES = ("engine.wasm", "worker.js", "client.js", "arrow.js")


def compressed(name: str) -> bytes:
    """Return one of the files `NAMES`, compressed by gzip."""
    return files(__name__).joinpath("files", f"{name}.gz").read_bytes()


def licences() -> str:
    """Return the licences of what is inside."""
    folder = files(__name__).joinpath("licences")
    return "\n\n".join(one.read_text(encoding="utf-8") for one in sorted(folder.iterdir(), key=str))
