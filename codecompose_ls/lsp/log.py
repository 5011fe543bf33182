"""The log on stderr: one line a record, and never what is in a message, which is the user's code."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType


class OneLine(logging.Formatter):
    """Names an exception and where it was raised; its text may quote the user's code."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", " ")

    def formatException(
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        kind, _, trace = ei
        frames = traceback.extract_tb(trace)
        where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        return f"({kind.__name__ if kind else None}{where})"


def to_stderr() -> None:
    """Log from here on."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # pygls logs whole messages at INFO, and at WARNING what happens every day: a cancel that comes after the answer.
    logging.getLogger("pygls").setLevel(logging.ERROR)


def set_level(name: str) -> None:
    """Set how much of our own is logged: debug, info, warning or error."""
    logging.getLogger("codecompose_ls").setLevel(name.upper())
