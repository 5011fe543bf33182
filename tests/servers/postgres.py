"""PostgreSQL from Debian's packages: a server of the tests' own, in a temporary folder, on a Unix socket alone."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

USER = "codecompose"


class MissingPostgres(Exception):
    """There is no PostgreSQL here; the message says how to get one."""


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server; the value is the URL of an empty database."""
    binaries = _binaries()
    account = _account()
    # A socket's path may have a hundred characters, and the server's account must reach it: none of pytest's folders.
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    try:
        if account:
            shutil.chown(folder, account)

        def run(*command: str) -> None:
            # PostgreSQL refuses to run as root.
            done = subprocess.run(command, user=account, group=account, cwd=folder, capture_output=True, text=True)
            if done.returncode:
                raise MissingPostgres(f"{command[0]} failed: {(done.stderr or done.stdout).strip()}")

        control = (str(binaries / "pg_ctl"), "--pgdata", str(folder / "data"), "--wait", "--silent")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}'"
        run(str(binaries / "initdb"), "--pgdata", str(folder / "data"), "--username", USER, "--auth", "trust")
        run(*control, "--log", str(folder / "log"), "--options", options, "start")
        try:
            yield f"postgresql://{USER}@/postgres?host={quote(str(folder))}"
        finally:
            run(*control, "--mode", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    there = found[-1] if found else shutil.which("initdb")
    if there is None:
        raise MissingPostgres("no PostgreSQL: run 'make servers', or install the package postgresql")
    return Path(there).resolve().parent


def _account() -> str | None:
    """Return whom the server runs as: us, but for root the account of Debian's package."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise MissingPostgres("PostgreSQL does not run as root, and there is no account 'postgres'") from None
