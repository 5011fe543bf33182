"""`codecompose-ls complete FILE:LINE:COL`: the suggestion for a cursor, through the pipeline that serves editors."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from codecompose_ls.errors import InputError
from codecompose_ls.languages import language_of

if TYPE_CHECKING:
    from codecompose_ls.backends.backend import Backend
    from codecompose_ls.settings import Settings
    from codecompose_ls.types import Answer, CompletionRequest

HELP = "complete code at FILE:LINE:COL"
EXAMPLE = "codecompose-ls complete src/app.py:12:8"

#: What marks the root of a project; the path from there is part of the prompt.
_ROOT_MARKS = (".git", ".hg", ".codecompose.toml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "where",
        metavar="FILE:LINE:COL",
        help="line and column count from 1, columns in characters; COL is the cursor's",
    )
    parser.add_argument("--model", help="a model's folder or name (the one the settings name)")
    parser.add_argument("--multi-line", choices=("scope", "never"), help="where more than one line is suggested")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the suggestion; with none, say why on stderr and print nothing."""
    from codecompose_ls import settings
    from codecompose_ls.types import CompletionRequest, Document, Trigger

    path, line, column = _parse(args.where)
    root = root_of(path)
    loaded, problems = settings.load(root=root)
    for problem in problems:
        print(f"codecompose-ls: {problem}", file=sys.stderr)
    if args.model:
        loaded = replace(loaded, model=args.model, backend="local")
    loaded = replace(loaded, multi_line=args.multi_line or loaded.multi_line)
    text = read(path, root, loaded.ignore)
    language = language_of(path)
    if language is None:
        raise InputError(f"{path}: not a source file of a language we know")
    document = Document(path.as_uri(), path.relative_to(root).as_posix(), language, text)
    request = CompletionRequest(document, _offset(path, text, line, column), Trigger.INVOKED)
    _print(asyncio.run(_complete(request, loaded, root)), as_json=args.json)
    return 0


def _parse(where: str) -> tuple[Path, int, int]:
    match = re.fullmatch(r"(.+):(\d+):(\d+)", where)
    if match is None:
        raise InputError(f"{where}: say FILE:LINE:COL, both counted from 1, as in src/app.py:12:8")
    return Path(match[1]).expanduser().resolve(), int(match[2]), int(match[3])


def root_of(path: Path) -> Path:
    """Return the folder of the project that a file belongs to; its own folder where nothing marks one."""
    marked = (folder for folder in path.parents if any((folder / mark).exists() for mark in _ROOT_MARKS))
    return next(marked, path.parent)


def read(path: Path, root: Path, ignore: tuple[str, ...]) -> str:
    """Return a file's text. Raises `InputError` where there is none that may be read."""
    from codecompose_ls.index.files import Admission

    if not path.is_file():
        raise InputError(f"{path}: {'is a folder, not a file' if path.is_dir() else 'no such file'}")
    if reason := Admission(root, ignore).refusal(path):
        raise InputError(f"{path}: left alone: {reason}")
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})") from error


def _offset(path: Path, text: str, line: int, column: int) -> int:
    lines = re.split(r"\r\n|\r|\n", text)
    if not 1 <= line <= len(lines):
        raise InputError(f"{path.name}:{line}: the file has lines 1 to {len(lines)}")
    width = len(lines[line - 1])
    if not 1 <= column <= width + 1:
        raise InputError(f"{path.name}:{line}:{column}: the line has columns 1 to {width + 1}")
    starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]
    return starts[line - 1] + column - 1


async def _complete(request: CompletionRequest, settings: Settings, root: Path) -> Answer:
    from codecompose_ls.backends import on_disk
    from codecompose_ls.backends.connect import connect
    from codecompose_ls.completion.beside import Beside
    from codecompose_ls.completion.pipeline import Pipeline
    from codecompose_ls.errors import EngineError
    from codecompose_ls.index.prior import prior_of
    from codecompose_ls.index.snippets import snippets_of
    from codecompose_ls.index.upkeep import Upkeep
    from codecompose_ls.models.registry import in_force, resolve

    prior = find = None
    if settings.index:
        # What a server has stored of the workspace; without that, the document itself.
        upkeep = Upkeep(root, settings.ignore)
        upkeep.load()
        place = (upkeep.workspace, request.document.path)
        prior, find = prior_of(lambda _: place), snippets_of(lambda _: place)

    def local() -> Backend:
        return on_disk.load(resolve(in_force(settings.model, root)), threads=settings.threads, prior_of=prior)

    backend = connect(settings, local=local)
    pipeline = Pipeline(backend, settings, beside=Beside(find))
    try:
        answer = await pipeline.complete(request)
        if answer.reason == "failed":
            raise EngineError(pipeline.last_error)
        if backend.notice:
            print(f"codecompose-ls: {backend.notice}", file=sys.stderr)
        return answer
    finally:
        pipeline.close()
        backend.close()


def _print(answer: Answer, *, as_json: bool) -> None:
    suggestion = answer.suggestion
    if as_json:
        found = {
            "text": suggestion.text if suggestion else None,
            "offset": suggestion.offset if suggestion else None,
            "end": suggestion.end if suggestion else None,
            "model": suggestion.model if suggestion else None,
            "confidence": suggestion.confidence if suggestion else None,
            "reason": answer.reason,
            "latency_ms": round(answer.latency_ms, 1),
            "stages": {name: round(spent, 1) for name, spent in answer.stages.items()},
        }
        print(json.dumps(found, indent=2, ensure_ascii=False))
    elif suggestion is not None:
        print(suggestion.text)
    else:
        print(f"no suggestion: {answer.reason}", file=sys.stderr)
