"""The socket that a server listens on, taken before it starts, so that a port in use is one clear line."""

from __future__ import annotations

import socket

from codecompose_ls.errors import InputError


def listen(host: str, port: int) -> socket.socket:
    """Listen on a port, 0 for a free one. Raises `InputError` where that cannot be."""
    if not 0 <= port <= 65535:
        raise InputError(f"--port {port}: give a number up to 65535")
    host = host.removeprefix("[").removesuffix("]")  # as addresses spell one of IPv6
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (")[0]
        raise InputError(f"cannot listen on {host}:{port} ({reason}); another one: --port 0") from error
