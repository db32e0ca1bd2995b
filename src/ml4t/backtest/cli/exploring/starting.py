"""Starting: marimo in a process of its own, on this machine's own address, behind a token."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from pathlib import Path

import typer

from ml4t.backtest.cli.serving.run_tools import RunTools
from ml4t.backtest.cli.serving.served import Served
from ml4t.backtest.data.packages import package
from ml4t.backtest.errors import ConfigError

HOST = "127.0.0.1"
SECONDS_TO_START = 60.0
SECONDS_TO_END = 5.0


def explore(served: Path, folder: Path | None, port: int, *, opens_browser: bool) -> int:
    """Serve the app until it is interrupted, and return the exit code of marimo.

    Raises
    ------
    ConfigError
        A package is not installed, there is no such folder, or the port is taken.
    ResultError
        There is no run at `served`.
    """
    for name in ("marimo", "altair"):
        package(name, extra="explore")
    RunTools(Served(served), folder)  # what is no run or folder is said here, and not on the page
    port = _free(port)
    # As Ctrl-C: who ends this process ends the one that it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Whoever else is on the machine reaches the address, and has no token.
    token = secrets.token_urlsafe(24)
    url = f"http://{HOST}:{port}/?access_token={token}"
    with subprocess.Popen(
        _command(served, folder, port),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "MARIMO_SKIP_UPDATE_CHECK": "1"},
    ) as marimo:
        assert marimo.stdin is not None
        try:
            marimo.stdin.write(token.encode())
            marimo.stdin.close()
            _wait_for(port, marimo)
            typer.echo(f"exploring {served} at {url}\nCtrl-C ends it")
            if opens_browser:
                webbrowser.open(url)
            return marimo.wait()
        finally:
            _end(marimo)


def _command(served: Path, folder: Path | None, port: int) -> list[str]:
    app = Path(__file__).with_name("app.py")
    given = ["--served", str(served.absolute())]
    if folder is not None:
        given += ["--folder", str(folder.absolute())]
    return [
        sys.executable, "-m", "marimo", "--quiet", "run", str(app), "--headless",
        "--host", HOST, "--port", str(port), "--token", "--token-password-file", "-",
        "--no-sandbox", "--no-check", "--", *given,
    ]  # fmt: skip


def _free(port: int) -> int:
    """Return a port that is free; 0 asks for any."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError as error:
            raise ConfigError(f"port {port} is taken: {error}; leave --port out") from error
        return int(tried.getsockname()[1])


def _wait_for(port: int, marimo: subprocess.Popen[bytes]) -> None:
    """Wait until the app answers."""
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end and marimo.poll() is None:
        try:
            with socket.create_connection((HOST, port), timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise ConfigError(f"marimo did not start within {SECONDS_TO_START:g} seconds; see above")


def _end(marimo: subprocess.Popen[bytes]) -> None:
    if marimo.poll() is not None:
        return
    marimo.terminate()
    try:
        marimo.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        marimo.kill()
