"""An object store on this machine: moto's server, with two buckets and whom it lets in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

KEY, SECRET = "AKIANAMEOFTHEKEY", "the-secret-that-nobody-may-write-down"


class ObjectServer:
    """A server that runs, and a client of it.

    Parameters
    ----------
    address : str
    """

    def __init__(self, address: str) -> None:
        import boto3

        self.address = address
        self._client = boto3.client(
            "s3", endpoint_url=address, aws_access_key_id=KEY, aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )  # fmt: skip
        self._client.create_bucket(Bucket="data")

    def put(self, key: str, content: bytes | Path, **more: Any) -> str:
        """Write an object, and return its URL."""
        body = content.read_bytes() if isinstance(content, Path) else content
        self._client.put_object(Bucket="data", Key=key, Body=body, **more)
        return f"s3://data/{key}"

    def put_folder(self, folder: Path, key: str) -> str:
        """Write the files of a folder, and return the URL of theirs."""
        for file in folder.rglob("*"):
            if file.is_file():
                self.put(f"{key}/{file.relative_to(folder).as_posix()}", file)
        return f"s3://data/{key}"

    def remove(self, key: str) -> None:
        self._client.delete_object(Bucket="data", Key=key)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody in: the server knows no user."""
        self._look_at_keys("0")
        try:
            yield
        finally:
            self._look_at_keys("inf")

    def _look_at_keys(self, after: str) -> None:
        plain = {"Content-Type": "text/plain"}
        with urlopen(Request(f"{self.address}/moto-api/reset-auth", after.encode(), plain)):
            pass


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    """Run a server, with an environment that says where it is and who asks."""
    for name in ("obstore", "fsspec", "boto3"):
        pytest.importorskip(name, reason="needs an object store: make test-s3")
    server = pytest.importorskip("moto.server", reason="needs an object store: make test-s3")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_REGION", "us-east-1"), ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
        ):  # fmt: skip
            patch.setenv(name, value)
        try:
            yield ObjectServer(f"http://{host}:{port}")
        finally:
            running.stop()
