"""Stores: who has what a URL names, and as whom he is asked.

Who asks is said by the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
`AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`), by the role of the machine, or, where boto3
is installed, by all that it looks at, such as `AWS_PROFILE`. The client alone knows it: no DuckDB,
no result, no prepared store and no message does.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from ml4t.backtest.data.packages import package
from ml4t.backtest.data.sql_files import WILD
from ml4t.backtest.errors import ConfigError, DataError

OBJECT_EXTRA = "s3"
_WEB = ("http", "https")
CHANGED = "has files that changed while the run read them"
# Of a server that is not there one hears within seconds; a column of a large file takes a while.
_RETRIES = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}
_PATIENCE = timedelta(minutes=5)
_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3}[\w ]*)")
# Who has no credentials asks the machine for a role, at such an address.
_MACHINE = "/latest/"
_IDENTIFY = (
    "say who asks: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or AWS_PROFILE "
    "with boto3 installed; AWS_SKIP_SIGNATURE=true reads a public bucket"
)


class Place(NamedTuple):
    """Where a URL points to.

    Attributes
    ----------
    scheme : {"s3", "http", "https"}
    host : str
        The bucket, or the server with its port.
    key : str
        Path in there, without a slash before it.
    """

    scheme: str
    host: str
    key: str

    @property
    def is_web(self) -> bool:
        """Whether it is on a web server, which lists nothing."""
        return self.scheme in _WEB


def place_of(name: str, url: str) -> Place:
    """Return where a URL of a source points to.

    Raises
    ------
    DataError
        Nobody reads such a URL, or it has a password or a query, which results would keep.
    """
    scheme, _, rest = url.partition("://")
    place = Place(scheme.lower(), *rest.partition("/")[::2])
    shown = f"{place.scheme}://{place.host.rpartition('@')[2]}"
    if place.scheme not in ("s3", *_WEB):
        raise DataError(
            name, "readable", f"is at {shown}, and s3://, https:// and http:// are read; download "
            "it first, or pass the frame that another package reads",
        )  # fmt: skip
    if place.is_web and WILD.search(place.key) and "?" not in place.key:
        raise DataError(
            name, "readable", f"is at {shown} and has a pattern, and a web server lists no files; "
            "pass a list of their URLs",
        )  # fmt: skip
    if "@" in place.host or (place.is_web and (urlsplit(url).query or urlsplit(url).fragment)):
        raise DataError(
            name, "readable", f"is at a URL of {shown} with a user, a query or a fragment: results "
            "keep the paths of their sources, and a password or a signature would stay in them; "
            "download it, or pass s3:// with credentials in the environment",
        )  # fmt: skip
    return place._replace(key=unquote(place.key)) if place.is_web else place


def store_of(place: Place) -> Any:
    """Return the client that asks for what is in a bucket or on a server.

    Raises
    ------
    ConfigError
        The package that does is not installed; or the process is a fork of one that has asked.
    """
    # The threads that wait for answers stay behind: it would wait for ever.
    if _began_in() != os.getpid():
        raise ConfigError(
            "a forked process cannot ask an object store after its parent has; start workers by "
            "spawn, such as multiprocessing.get_context('spawn'), or as joblib does"
        )
    package("fsspec", extra=OBJECT_EXTRA)
    said = tuple(sorted(one for one in os.environ.items() if one[0].startswith("AWS_")))
    return _store(place.scheme, place.host, said)


@lru_cache(maxsize=1)
def _began_in() -> int:
    """Return the process in which a store was asked first."""
    return os.getpid()


@lru_cache(maxsize=16)
def _store(scheme: str, host: str, said: tuple[tuple[str, str], ...]) -> Any:
    """Return a client; another one where the environment says something else."""
    stores = package("obstore.store", extra=OBJECT_EXTRA)
    options = {"timeout": _PATIENCE}
    if scheme in _WEB:
        return stores.HTTPStore(
            f"{scheme}://{host}", client_options=options | {"allow_http": scheme == "http"},
            retry_config=_RETRIES,
        )  # fmt: skip
    environment = dict(said)
    endpoints = [value for name, value in said if name.startswith("AWS_ENDPOINT")]
    is_plain = any(one.startswith("http://") for one in endpoints)
    return stores.S3Store(
        host, client_options=options | {"allow_http": is_plain}, retry_config=_RETRIES,
        credential_provider=_credentials(environment),
    )  # fmt: skip


def _credentials(environment: dict[str, str]) -> Any:
    """Return what boto3 knows of who asks, where the environment does not say it."""
    if "AWS_ACCESS_KEY_ID" in environment or "AWS_SKIP_SIGNATURE" in environment:
        return None
    try:
        import boto3
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        return None
    session = boto3.Session()
    return None if session.get_credentials() is None else Boto3CredentialProvider(session)


def unreadable(name: str, url: str, error: Exception) -> DataError:
    """Return what to say of an object that was not given; nothing of what a server says of keys."""
    text = str(error)
    first = text.partition("\n")[0].partition("<")[0].rstrip(" :")
    code, status = _CODE.search(text), _STATUS.search(text)
    said = " ".join(dict.fromkeys(one[1].strip() for one in (status, code) if one)) or first
    kind = type(error).__name__
    is_refused = status is not None and status[1][:3] in ("401", "403")
    if kind == "PreconditionError":
        return DataError(name, "unchanged", f"{CHANGED}: {url}; run again")
    if url.startswith("http"):
        what = f"{said}; see whether the address is right, and whether anybody may read it"
    elif code and code[1] == "NoSuchBucket":
        what = f"there is no bucket '{url.split('/')[2]}' at this address; AWS_ENDPOINT_URL says it"
    elif _MACHINE in first:
        what = f"nobody says who asks for it; {_IDENTIFY}"
    elif is_refused:
        what = f"it was refused, {said}; {_IDENTIFY}"
    else:
        what = f"{said}; see whether the address is right: AWS_ENDPOINT_URL and AWS_REGION say it"
    return DataError(name, "readable", f"could not be read: {url}: {what}")
