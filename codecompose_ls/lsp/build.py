"""The index' builder as a child process: started, listened to, and ended with us."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import codecompose_ls
from codecompose_ls.errors import CodeComposeError
from codecompose_ls.index.progress import Progress

#: Modules of the workspace must not pass for Python's own: the child starts where our package is.
_FOLDER = Path(codecompose_ls.__file__).parents[1]


class BuildError(CodeComposeError):
    """The builder failed; `str(error)` says why, in a few words."""


async def build(root: Path, ignore: tuple[str, ...]) -> AsyncGenerator[Progress, None]:
    """Bring the stored index of a folder up to date; yields how it goes. Raises `BuildError`."""
    options = [f"--ignore={pattern}" for pattern in ignore]
    command = [sys.executable, "-m", "codecompose_ls.index.builder", str(root), *options]
    try:
        process = await asyncio.create_subprocess_exec(*command, cwd=_FOLDER, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    except OSError as error:
        raise BuildError(error.strerror or str(error)) from error
    try:
        # It may log at length: nobody must wait for the other.
        said = asyncio.ensure_future(_read(process.stderr))
        phase = ""
        async for line in _lines(process.stdout):
            progress = Progress(**json.loads(line))
            phase = progress.phase
            yield progress
        await process.wait()
        if phase != "done":
            last = (await said).decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise BuildError(last or f"exit status {process.returncode}")
    finally:
        _end(process)


async def _read(stream: asyncio.StreamReader | None) -> bytes:
    return await stream.read() if stream else b""


async def _lines(stream: asyncio.StreamReader | None) -> AsyncGenerator[bytes, None]:
    while stream and (line := await stream.readline()):
        yield line


def _end(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
