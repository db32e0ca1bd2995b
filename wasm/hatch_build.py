"""Takes DuckDB-Wasm and Arrow from npm while the wheel is built, and keeps what a page needs."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import tarfile
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).parent
FILES = HERE / "src" / "ml4t_duckdb_wasm" / "files"
# What npm calls their integrity: SHA-512 of the whole package.
PACKAGES = {
    "@duckdb/duckdb-wasm@1.32.0": (
        "IewXTNYEjsZCPE9weUWgtjGxUlMRo7qhX0GF6tq/KjK8bnY+RAl4cyUdYUfcdzbyb4b9ZxPC+FOsCcxgaKFWMg==",
        {
            # Exceptions of WebAssembly are in every browser since 2022, and the engine is smaller.
            "duckdb-eh.wasm": "engine.wasm",
            "duckdb-browser-eh.worker.js": "worker.js",
            "duckdb-browser.cjs": "client.js",
        },
    ),
    "apache-arrow@17.0.0": (
        "X0p7auzdnGuhYMVKYINdQssS4EcKec9TCXyez/qtJt32DrIMGbzqiaMiQ0X6fQlQpw8Fl0Qygcv4dfRAr5Gu9Q==",
        {"Arrow.es2015.min.js": "arrow.js"},
    ),
}


class Hook(BuildHookInterface):  # type: ignore[type-arg]
    """Fills the folder of files before the wheel is made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Take the packages, check them and compress what is kept; once."""
        wanted = [name for _, kept in PACKAGES.values() for name in kept.values()]
        if all((FILES / f"{name}.gz").exists() for name in wanted):
            return
        FILES.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            for package, (integrity, kept) in PACKAGES.items():
                _take(package, integrity, kept, Path(folder))


def _take(package: str, integrity: str, kept: dict[str, str], folder: Path) -> None:
    packed = subprocess.run(
        ["npm", "pack", "--silent", package], cwd=folder, check=True, capture_output=True, text=True
    )
    archive = folder / packed.stdout.split()[-1]
    found = b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != integrity:
        raise RuntimeError(f"{package} is not what it was: sha512-{found}, not sha512-{integrity}")
    with tarfile.open(archive) as opened:
        for member in opened:
            name = Path(member.name).name
            at_top = member.name in (f"package/{name}", f"package/dist/{name}")
            if at_top and name in kept:
                content = opened.extractfile(member)
                assert content is not None
                packed_file = FILES / f"{kept[name]}.gz"
                packed_file.write_bytes(gzip.compress(content.read(), 9, mtime=0))
