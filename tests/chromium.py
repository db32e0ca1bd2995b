"""Headless Chromium, where `make browser` says it is; tests without it are skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = os.environ.get("ML4T_CHROMIUM")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="make browser sets ML4T_CHROMIUM")
# Without them Chromium asks Google's hosts for this and that.
SWITCHES = ("--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
            "--disable-background-networking --disable-component-update")  # fmt: skip


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser, closed in the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=SWITCHES.split())
        yield browser
        browser.close()
