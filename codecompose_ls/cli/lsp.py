"""`codecompose-ls lsp`: the language server, on stdio or TCP."""

from __future__ import annotations

import argparse
import gc

from codecompose_ls.errors import InputError

HELP = "start the language server (stdio, or --tcp HOST:PORT)"
EXAMPLE = "codecompose-ls lsp --tcp 127.0.0.1:2087"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stdio", action="store_true", help="serve on stdin and stdout (what it does anyway)")
    parser.add_argument("--tcp", metavar="HOST:PORT", help="serve on a socket; an empty HOST is this machine only")


def run(args: argparse.Namespace) -> int:
    """Serve until the client leaves; the exit status is 0 when it said goodbye in order, 1 when not."""
    address = _address(args.tcp) if args.tcp else None

    # The protocol library makes a thousand classes: a tenth faster without the collector, which need not visit them.
    gc.disable()
    from codecompose_ls.lsp import methods, transport

    gc.freeze()
    gc.enable()
    if address is None:
        transport.serve_stdio(methods.server())
    try:
        transport.serve_tcp(methods.server, *address)
    except OSError as error:
        raise InputError(f"--tcp {args.tcp}: cannot listen there ({error.strerror or error})") from error


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise InputError(f"--tcp {text}: give HOST:PORT with a port up to 65535, like 127.0.0.1:2087")
    return host.strip("[]") or "127.0.0.1", int(port)
