"""An HTTP client as the environment wants it: proxies and certificates, or one clear line on what is wrong."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from codecompose_ls.errors import InputError

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")


def connection(kind: Callable[..., T], url: str, **options: Any) -> T:
    """Return a client, `kind` of httpx's two, for the server at `url`; nothing is sent yet. Raises `InputError`.

    Redirects are not followed. `options` are the client's own.
    """
    import httpx

    certificates = _certificates() if url.startswith("https:") else False
    try:
        return kind(
            # A proxy has no business between us and this machine.
            trust_env=not is_loopback(url),
            # Where nothing is encrypted there are no certificates to read from disk.
            verify=certificates,
            **options,
        )
    except ImportError as error:
        raise InputError("the proxy in the environment speaks SOCKS: pip install 'httpx[socks]'") from error
    except (ValueError, httpx.InvalidURL) as error:
        # Not in its words: they may hold the proxy's password.
        raise InputError(
            "the proxy in the environment cannot be used: HTTPS_PROXY, HTTP_PROXY and ALL_PROXY are like "
            "http://host:3128, and NO_PROXY is a list of hosts"
        ) from error


def is_loopback(url: str) -> bool:
    """Return whether what is sent there stays on this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def goes_by_proxy(url: str) -> bool:
    """Return whether the environment sends what is for this address to a proxy."""
    from urllib.request import getproxies, proxy_bypass

    parts, proxies = urlsplit(url), getproxies()
    named = parts.scheme in proxies or "all" in proxies
    return named and not is_loopback(url) and not proxy_bypass(parts.netloc)


def _certificates() -> ssl.SSLContext:
    """Return what a server's certificate is checked by: the environment's own, or those that come with Python."""
    import httpx

    try:
        return httpx.create_ssl_context()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"SSL_CERT_FILE or SSL_CERT_DIR names no certificates that can be read ({reason})") from error
