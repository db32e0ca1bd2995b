"""Signing: keys of Ed25519 from files of PEM, what they sign, and whether they did (RFC 8032)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ml4t.backtest.data.packages import package
from ml4t.backtest.errors import ConfigError, require_path

_CONTEXT = b"ml4t-backtest certificate\n"
_MAKE_ONE = "openssl genpkey -algorithm ed25519 -out key.pem makes one"


class Signer:
    """A private key of the user.

    Parameters
    ----------
    path : str or Path
        A file of PEM with a private key of Ed25519, without a passphrase.

    Raises
    ------
    ConfigError
        It is none; or `cryptography` is not installed.
    """

    def __init__(self, path: object) -> None:
        self._key = _read(path, is_private=True)
        self.public_key = _raw(self._key.public_key())

    def sign(self, digest: str) -> str:
        """Return the signature of a hash, in hex."""
        return str(self._key.sign(_CONTEXT + digest.encode()).hex())


def public_key_of(path: object) -> str:
    """Return the public key of a file of PEM, in hex.

    Raises
    ------
    ConfigError
        It is none; or `cryptography` is not installed.
    """
    return _raw(_read(path, is_private=False))


def has_signed(public_key: str, signature: str, digest: str) -> bool:
    """Say whether a key, in hex, has signed a hash.

    Raises
    ------
    ConfigError
        `cryptography` is not installed.
    """
    invalid = package("cryptography.exceptions", extra="sign").InvalidSignature
    kind = package("cryptography.hazmat.primitives.asymmetric.ed25519", extra="sign")
    try:
        key = kind.Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature), _CONTEXT + digest.encode())
    except (ValueError, invalid):
        return False
    return True


def _raw(key: Any) -> str:
    return str(key.public_bytes_raw().hex())


def _read(path: object, *, is_private: bool) -> Any:
    what = "private" if is_private else "public"
    file: Path = require_path("key", path, f"a file of PEM with a {what} key of Ed25519")
    forms = package("cryptography.hazmat.primitives.serialization", extra="sign")
    kinds = package("cryptography.hazmat.primitives.asymmetric.ed25519", extra="sign")
    unsupported = package("cryptography.exceptions", extra="sign").UnsupportedAlgorithm
    try:
        data = file.read_bytes()
        if is_private:
            key = forms.load_pem_private_key(data, password=None)
        else:
            key = forms.load_pem_public_key(data)
    except TypeError as error:  # it has a passphrase
        raise ConfigError(
            f"key: '{file}' has a passphrase; openssl pkey -in '{file}' -out plain.pem takes it off"
        ) from error
    except OSError as error:
        raise ConfigError(f"key: '{file}' cannot be read: {error.strerror}") from error
    except (ValueError, unsupported) as error:
        raise ConfigError(_is_none(file, what)) from error
    if not isinstance(key, kinds.Ed25519PrivateKey if is_private else kinds.Ed25519PublicKey):
        raise ConfigError(_is_none(file, what))
    return key


def _is_none(file: Path, what: str) -> str:
    way_out = _MAKE_ONE if what == "private" else (
        "openssl pkey -in key.pem -pubout -out public.pem makes one of the private key"
    )  # fmt: skip
    return f"key: '{file}' is no {what} key of Ed25519 in PEM; {way_out}"
