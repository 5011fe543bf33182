"""What this user gets now: the roll-out file as a service last handed it out, and an id that says nothing about them.

Without a file nothing changes. What is being tried is only for those who hear of a halt: three days without the
service, and its running experiments are left aside until it has spoken again.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from codecompose_ls import folders
from codecompose_ls.errors import InputError
from codecompose_ls.rollout.assignment import Allotment, allot
from codecompose_ls.rollout.experiments import parse, read

#: For so long what was handed out is followed without hearing anything new.
FRESH_S = 3 * 86_400


def current(*, now: float | None = None, lacks: Callable[[str], bool] = lambda model: False) -> Allotment:
    """Return what this user gets; `now` is `time.time()`, and `lacks` tells which models they do not have.

    Nothing is different where nothing was handed out.

    Raises `InputError` where the file or the id cannot be read; then nothing is different, either.
    """
    path = handed_out_file()
    try:
        heard = path.stat().st_mtime
    except OSError:
        return Allotment()
    running = (time.time() if now is None else now) - heard < FRESH_S
    return allot(read(path), user_id(), running=running, lacks=lacks)


def receive(text: str) -> None:
    """Keep what a service has handed out, each time it has answered, changed or not. Raises `InputError`."""
    parse(text, source="the roll-out file of the service")
    _write(handed_out_file(), text)


def forget() -> None:
    """Follow no service any more. Raises `InputError`."""
    try:
        handed_out_file().unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{handed_out_file()} cannot be deleted ({error.strerror})") from error


def user_id() -> str:
    """Return the random id of this user on this machine, made once: 32 hexadecimal digits. Raises `InputError`."""
    from filelock import FileLock

    path = folders.data() / "rollout-user"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two servers that start together have to agree.
        with FileLock(path.with_suffix(".lock")):
            if found := _known(path):
                return found
            made = uuid4().hex
            _write(path, made)
            return made
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror})") from error


def handed_out_file() -> Path:
    """Return where what was handed out is kept."""
    return folders.data() / "rollout.toml"


def _known(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="ascii")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return text if re.fullmatch("[0-9a-f]{32}", text) else None


def _write(path: Path, text: str) -> None:
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror})") from error
