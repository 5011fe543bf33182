"""`codecompose-ls doctor`: environment, model, a timed self-test; what is wrong and how to mend it."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from codecompose_ls import __version__
from codecompose_ls.errors import CodeComposeError

if TYPE_CHECKING:
    from codecompose_ls.settings import Settings

HELP = "check the environment and the model, and say how to mend what is wrong"
EXAMPLE = "codecompose-ls doctor --json"


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: `mend` says what to do when it is not `good`."""

    check: str
    good: bool
    detail: str
    mend: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="a model's folder or name (the one the settings name)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print every finding; exit status 1 when something is wrong."""
    findings: list[Finding] = []
    for finding in _checks(args.model):
        findings.append(finding)
        if not args.json:
            _print(finding)
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    return 0 if all(finding.good for finding in findings) else 1


def _print(finding: Finding) -> None:
    print(f"{'ok  ' if finding.good else 'BAD '} {finding.check:<10} {finding.detail}", flush=True)
    if not finding.good:
        print(f"                -> {finding.mend}")


def _checks(model: str | None) -> Iterator[Finding]:
    from codecompose_ls import folders, settings
    from codecompose_ls.models.registry import in_force

    loaded, problems = settings.load(root=Path.cwd())
    yield Finding(
        "version", True, f"codecompose-ls {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores"
    )
    yield from _packages()
    mend = f"edit {folders.settings()}, {settings.PROJECT_FILE} or the environment"
    yield Finding("settings", not problems, "; ".join(map(str, problems)) or "all values are good", mend)
    yield from _folders()
    yield _index(loaded)
    yield from _servers(loaded)
    try:
        yield _registry(loaded.model)
        name = model or in_force(loaded.model, Path.cwd())
        yield from _self_test(name, loaded.threads)
    except CodeComposeError as error:
        yield Finding("model", False, str(error), "set 'model' to a folder with a model, or to 'base'")


def _packages() -> Iterator[Finding]:
    wanted = ("pygls", "onnxruntime", "tokenizers", "tree-sitter")
    missing = [name for name in wanted if not _version(name)]
    found = ", ".join(f"{name} {_version(name)}" for name in wanted if name not in missing)
    yield Finding("packages", not missing, found or "none", f"pip install {' '.join(missing)}")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _folders() -> Iterator[Finding]:
    from codecompose_ls import folders

    for name, find in (("cache", folders.cache), ("data", folders.data)):
        folder = find()
        fault = _unwritable(folder)
        yield Finding(
            name, not fault, f"{folder}{fault}", f"free space or mend the rights, or set CODECOMPOSE_{name.upper()}"
        )


def _unwritable(folder: Path) -> str:
    probe = folder / ".probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"0" * 4096)
        probe.unlink()
    except OSError as error:
        return f": cannot be written ({error.strerror})"
    return ""


def _index(settings: Settings) -> Finding:
    """Say what is indexed of the current folder; there being nothing yet is no fault."""
    from codecompose_ls.index.store import Store

    if not settings.index:
        return Finding("index", True, "switched off by the setting 'index'")
    index = Store(Path.cwd(), settings.ignore).load()
    if index is None:
        return Finding("index", True, "none of this folder; the server builds it when the folder is opened")
    left_out = f", {index.left_out} files had no room" if index.left_out else ""
    size = f"{len(index.segment.tokens):,} lexemes, {index.size_bytes / 1e6:.0f} MB"
    return Finding("index", True, f"{len(index.stamps)} files of this folder, {size}{left_out}")


def _registry(setting: str) -> Finding:
    """Say which weights answer in the current folder, and what is wrong with those that were promoted somewhere."""
    from codecompose_ls.models.registry import entries, in_force

    found, name = entries(), in_force(setting, Path.cwd())
    detail = f"'{name}' answers in this folder; {len(found) - 1} in the registry"
    for one in found:
        if one.fault and (one.promoted or one.name == name):
            return Finding("models", False, one.fault, f"codecompose-ls models remove {one.name} --force, or import it")
        if one.outdated and one.name == name:
            return Finding("models", False, f"{detail}; '{name}' was tuned on an older base", "run codecompose-ls tune")
    return Finding("models", True, detail)


def _servers(settings: Settings) -> Iterator[Finding]:
    """Ask the servers that the settings name, if any, for a few tokens."""
    if (settings.backend, settings.chat) == ("local", "none"):
        return
    from codecompose_ls.backends import checkup

    for name, check in (("backend", checkup.check_backend), ("chat", checkup.check_chat)):
        try:
            checked = asyncio.run(check(settings))
        except CodeComposeError as error:
            yield Finding(name, False, str(error), f"mend the settings that begin with '{name}'")
        else:
            if checked is not None:
                yield Finding(name, checked.good, checked.detail, checked.mend)


def _self_test(name: str, threads: int) -> Iterator[Finding]:
    """Load the model as the server does and complete one line; timings are of this machine, now."""
    from codecompose_ls.backends import on_disk
    from codecompose_ls.models.registry import resolve
    from codecompose_ls.types import Context, Sampling

    folder = resolve(name)
    load_ms, backend = _timed(lambda: on_disk.load(folder, threads=threads))
    yield Finding("model", True, f"{name}: {backend.model}, ready in {load_ms:.0f} ms")
    context = Context("python", "main.py", "import sys\n\n\ndef main():\n    print(sys.argv[", "\n\n\nmain()\n")

    async def complete() -> str:
        pieces = backend.stream(context, Sampling(max_tokens=16), stop=threading.Event())
        return "".join([piece.text async for piece in pieces])

    try:
        cold_ms, text = _timed(lambda: asyncio.run(complete()))
        warm_ms, _ = _timed(lambda: asyncio.run(complete()))
    finally:
        backend.close()
    detail = f"16 tokens in {cold_ms:.0f} ms cold, {warm_ms:.0f} ms warm; print(sys.argv[ -> {text.splitlines()[:1]}"
    yield Finding("self-test", bool(text), detail, "the model answered nothing; choose another one")


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    result = work()
    return (time.perf_counter() - began) * 1000, result
