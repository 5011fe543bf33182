"""Where a model server is, and what its address may be.

No code leaves the machine unless the user names another one: every default is a loopback address.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from codecompose_ls.errors import InputError


def check(url: str) -> str:
    """Return an address without the slash at its end. Raises `InputError`, which never shows a password in it."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise InputError("the address of a model server must be like http://127.0.0.1:8080 or https://host/v1")
    if parts.username is not None or parts.password is not None:
        raise InputError(
            f"the address of the model server at {host} must not hold a user or a password: put the key into "
            "CODECOMPOSE_API_KEY or the keyring"
        )
    return url.rstrip("/")


def host_of(url: str) -> str:
    """Return host and port as the address spells them."""
    return urlsplit(url).netloc


def path_of(url: str) -> str:
    """Return what follows the host."""
    return urlsplit(url).path
