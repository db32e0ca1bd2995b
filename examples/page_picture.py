"""Photograph the page of the real run: ``python examples/page_picture.py`` writes the PNG.

It needs Chromium, which is looked for as ``chromium``, ``chromium-browser`` and ``google-chrome``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sp500_momentum import DATA, prepare, run_momentum

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "page.png"
NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1100, 1290


def main() -> int:
    """Run the example, write its page and take a picture of the first screen."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        print(f"none of {', '.join(NAMES)} is here; install one", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        prepare(DATA, Path(folder))
        page = run_momentum(DATA, Path(folder)).report(Path(folder) / "report.html")
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--virtual-time-budget=8000",
            "--disable-background-networking",
        ]
        sizes = [f"--window-size={WIDTH},{HEIGHT}", f"--user-data-dir={folder}/profile"]
        command = [browser, *options, *sizes, f"--screenshot={PICTURE}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
