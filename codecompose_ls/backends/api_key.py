"""The key for a model server: from the environment or the keyring, never from a file, never in a log or a message."""

from __future__ import annotations

import os

from codecompose_ls.errors import InputError

VARIABLE = "CODECOMPOSE_API_KEY"
#: Under this name and the server's host, `keyring set codecompose-ls HOST` keeps a key.
SERVICE = "codecompose-ls"


class ApiKey:
    """A key that nothing shows by accident; empty where there is none."""

    __slots__ = ("_key",)

    def __init__(self, key: str) -> None:
        self._key = key.strip()

    def __bool__(self) -> bool:
        return bool(self._key)

    def __repr__(self) -> str:
        return "ApiKey(***)" if self else "ApiKey()"

    def headers(self) -> dict[str, str]:
        """Return what a request carries it in (RFC 6750)."""
        return {"Authorization": f"Bearer {self._key}"} if self else {}

    def without(self, text: str) -> str:
        """Return a text as it can be shown: a server may quote the key it refuses."""
        return text.replace(self._key, "***") if self else text


def find(host: str) -> ApiKey:
    """Return the user's key for a server; a keyring that is locked, absent or broken has none.

    Raises `InputError` for what no header can carry, which a library would quote when it refuses it.
    """
    key = os.environ.get(VARIABLE, "").strip()
    place, key = (VARIABLE, key) if key else (f"the keyring, for {host}", _from_keyring(host).strip())
    if not key.isascii() or not key.isprintable():
        raise InputError(f"the key in {place} has a line break or another character that no key has: set it again")
    return ApiKey(key)


def _from_keyring(host: str) -> str:
    try:
        import keyring

        return keyring.get_password(SERVICE, host) or ""
    except Exception:  # each of its backends fails in its own way
        return ""
