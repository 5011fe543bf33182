"""`codecompose-ls dashboard`: what the suggestions were worth, as a page in the browser."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import webbrowser
from pathlib import Path

from codecompose_ls.cli import COMMANDS
from codecompose_ls.errors import MissingExtraError

HELP = COMMANDS["dashboard"]
EXAMPLE = "codecompose-ls dashboard --port 8050"

_DEFAULT_PORT = 8050


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=_DEFAULT_PORT, help=f"({_DEFAULT_PORT}); 0 takes a free one")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--record", type=Path, metavar="FILE", help="the record of a roll-out, to be shown with it")


def run(args: argparse.Namespace) -> int:
    """Serve the page to this machine until interrupted."""
    try:
        import uvicorn

        from codecompose_ls.service.dashboard.local import create_app
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("codecompose_ls"):
            raise
        raise MissingExtraError("serve", error.name or "fastapi") from error
    from codecompose_ls.service.listener import listen
    from codecompose_ls.telemetry.database import default_path

    if args.record is not None and not args.record.exists():
        print(f"codecompose-ls: warning: there is no roll-out record {args.record} yet", file=sys.stderr)
    app = create_app(default_path(), record=args.record)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, ws="none", server_header=False)
    with listen("127.0.0.1", args.port) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/dashboard"
        print(f"the dashboard: {address} (Ctrl-C ends it)", flush=True)
        if not args.no_browser and _has_display():
            # The socket listens already: the browser waits for the first answer.
            webbrowser.open(address)
        with contextlib.suppress(KeyboardInterrupt):  # the way to stop it
            uvicorn.Server(config).run([listener])
    return 0


def _has_display() -> bool:
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
