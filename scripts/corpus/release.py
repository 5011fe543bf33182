"""A downloaded release, and what all registries need to get at one: package clients and archives."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.corpus.refusal import Refused

SUFFIXES = {
    "python": (".py",),
    "javascript": (".js", ".mjs", ".ts", ".mts"),
    "go": (".go",),
    "rust": (".rs",),
    "java": (".java",),
    "c": (".c", ".h"),
    "cpp": (".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx", ".ipp"),
}


@dataclass(frozen=True, slots=True)
class Release:
    """What was downloaded: the permissive licence it declares (SPDX), and its files by relative path."""

    version: str
    licence: str
    files: Mapping[str, bytes]


def execute(command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None) -> None:
    """Run a package client at low priority; its last words become the refusal when it fails."""
    done = subprocess.run(
        ["nice", *command], cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        reason = next((line for line in lines if re.match(r"ERROR|E:|npm error", line)), lines[0])
        raise Refused(f"{Path(command[0]).name} failed: {reason[:120]}")


def archive_files(path: Path, wanted: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    """Yield (path in the archive, content) of the regular files of a wheel, a tar or a .deb that `wanted` matches."""
    if path.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(path) as wheel:
            for name in wheel.namelist():
                if wanted.search(name):
                    yield name, wheel.read(name)
        return
    stream = None
    if path.suffix == ".deb":
        unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], capture_output=True, check=True)
        stream = io.BytesIO(unpacked.stdout)
    with tarfile.open(None if stream else path, fileobj=stream) as archive:
        for member in archive:
            if member.isfile() and wanted.search(member.name):
                content = archive.extractfile(member)
                if content is not None:
                    yield member.name.removeprefix("./"), content.read()


def endings(language: str, *others: str) -> re.Pattern[str]:
    """Match paths that end as a source file of the language does, or as one of the `others` (regular expressions)."""
    return re.compile("|".join([re.escape(suffix) + "$" for suffix in SUFFIXES[language]] + list(others)))
