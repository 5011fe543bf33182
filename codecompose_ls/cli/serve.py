"""`codecompose-ls serve`: models over HTTP, for a team or for one machine, and the team's telemetry."""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys
from pathlib import Path

from codecompose_ls.errors import InputError, MissingExtraError

HELP = "serve the models over HTTP, in OpenAI's API"
EXAMPLE = "codecompose-ls serve --port 8040 --token-file tokens.txt"

_DEFAULT_PORT = 8040


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1, this machine only)")
    parser.add_argument("--port", type=int, default=_DEFAULT_PORT, help=f"({_DEFAULT_PORT}); 0 takes a free one")
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="tokens that open the service, a line each: TOKEN, or TOKEN NAME [admin] (one is made up)",
    )
    parser.add_argument(
        "--database",
        metavar="URL",
        help="where the team's events are: sqlite:///FILE, postgresql://USER@HOST/NAME (a file of SQLite)",
    )
    parser.add_argument("--rollout", type=Path, metavar="FILE", help="the roll-out to run; of one server alone")
    parser.add_argument("--record", type=Path, metavar="FILE", help="the roll-out's record (in the data folder)")
    parser.add_argument(
        "--smallest-group", type=int, default=5, metavar="N", help="fewest people whose figures all may see (5)"
    )
    parser.add_argument("--open-metrics", action="store_true", help="give /metrics to anybody, without a token")
    parser.add_argument(
        "--model", action="append", metavar="NAME", help="serve this model only; may be given again (all there are)"
    )
    parser.add_argument(
        "--engine",
        choices=("auto", "int8", "torch"),
        default="auto",
        help="int8 on the processor, torch with users in one batch (auto: torch with a GPU, or where it must be)",
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of the int8 engine (2)")
    parser.add_argument("--log-level", choices=("info", "warning", "error"), default="warning", help="(warning)")


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    if not 1 <= args.threads <= 64:
        raise InputError(f"--threads {args.threads}: give a number from 1 to 64")
    try:
        import uvicorn

        from codecompose_ls.service import access
        from codecompose_ls.service.app import create_app
        from codecompose_ls.service.catalogue import Catalogue
        from codecompose_ls.service.listener import listen
        from codecompose_ls.service.shelf import DiskShelf
        from codecompose_ls.service.team import database
        from codecompose_ls.service.team.team import Team
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("codecompose_ls"):
            raise
        raise MissingExtraError("serve", error.name or "fastapi") from error

    tokens = access.read_tokens(args.token_file)
    made_up = None if tokens else access.generated()
    shelf = DiskShelf(args.model, engine=args.engine, threads=args.threads)
    names, catalogue = [card.name for card in shelf.cards()], Catalogue(shelf)
    tokens = tokens or access.only(made_up or "")
    team = Team(
        database.connect(args.database or database.default_url()),
        tokens,
        smallest_group=args.smallest_group,
        rollout_file=args.rollout,
        record=args.record,
        open_metrics=args.open_metrics,
    )
    app = create_app(catalogue, tokens, team=team)
    # Logs hold paths and status only: what is asked and answered stays out of them.
    config = uvicorn.Config(app, log_level=args.log_level, timeout_graceful_shutdown=2, ws="none", server_header=False)
    with listen(args.host, args.port) as listener:
        if args.model:
            # Whoever names a model wants to know now if it cannot be served, and no first request to wait for it.
            catalogue.preload(names)
        _say(args, listener, made_up, names)
        with contextlib.suppress(KeyboardInterrupt):  # the way to stop it
            uvicorn.Server(config).run([listener])
    return 0


def _say(args: argparse.Namespace, listener: socket.socket, made_up: str | None, names: list[str]) -> None:
    host, port = listener.getsockname()[:2]
    # Who listens everywhere is asked by its name.
    name = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    address = f"http://{name}:{port}"
    print(f"serving {', '.join(names)} on {address}")
    if made_up:
        print(f"token, for this run only: {made_up}")
    print(f"to complete with it: backend = codecompose, backend_url = {address}/v1, backend_model = {names[0]},")
    print("    and the token in CODECOMPOSE_API_KEY or the keyring")
    print(
        f"what it is worth: {address}/dashboard; a team's editors send to it with telemetry_url = {address}", flush=True
    )
    if args.token_file is None and host not in ("127.0.0.1", "::1"):
        print(
            "codecompose-ls: warning: whoever reaches this address and has the token may ask; "
            "give --token-file, and put TLS in front",
            file=sys.stderr,
        )
