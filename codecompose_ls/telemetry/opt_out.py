"""Opt-out: switches counting off in the user's settings file and leaves the rest of it as it is."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from codecompose_ls.errors import InputError

_SETTING = re.compile(r"^([ \t]*[\"']?telemetry[\"']?[ \t]*=[ \t]*)(true|false)", re.MULTILINE)


def opt_out(path: Path) -> None:
    """Write `telemetry = false` into a settings file, which is made if there is none.

    Raises InputError, which says what to write by hand, where the file cannot be changed without touching the rest.
    """
    by_hand = f"write the line 'telemetry = false' above its first table yourself, into {path}"
    try:
        path = path.resolve()  # What a link points to is the file; a new one in the link's place would part them.
        before = path.read_bytes().decode() if path.exists() else ""
        after = _switched_off(before)
        if _parsed(after) != {**_parsed(before), "telemetry": False}:
            raise ValueError("the setting is not on a line of its own")
        _write(path, after)
    except (OSError, ValueError) as error:
        raise InputError(f"the settings cannot be changed ({error}); {by_hand}") from error


def _switched_off(text: str) -> str:
    """Return the text with the setting changed, or with a line more at its top."""
    changed, found = _SETTING.subn(r"\1false", text, count=1)
    return changed if found else f"telemetry = false\n{text}"


def _parsed(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    parsed: dict[str, Any] = tomllib.loads(text)
    return parsed


def _write(path: Path, text: str) -> None:
    """Put a text in a file's place in one go, so that no crash leaves half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(name, path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
