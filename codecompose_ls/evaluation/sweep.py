"""What evaluations, studies and tunes keep in the cache to go on from goes when nobody has come back to it for long."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: What nobody went on with for so long is thrown away.
FORGOTTEN_S = 30 * 86_400


def sweep(folder: Path, *, but: Path | None = None) -> None:
    """Delete what lies in a folder and has not been written to lately, `but` one; what cannot be deleted stays."""
    with suppress(OSError):
        for entry in folder.iterdir():
            if entry != but and _touched(entry) < time.time() - FORGOTTEN_S:
                shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)


def _touched(entry: Path) -> float:
    """Return when a file, or a folder or anything right in it, was written to last."""
    return max(place.stat().st_mtime for place in (entry, *_within(entry)))


def _within(entry: Path) -> Iterator[Path]:
    return entry.iterdir() if entry.is_dir() else iter(())
