"""`codecompose-ls assist NAME FILE:RANGE`: explain, review, document, test or mend code."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from codecompose_ls.cli.complete import read, root_of
from codecompose_ls.errors import CodeComposeError, InputError
from codecompose_ls.languages import language_of

if TYPE_CHECKING:
    from codecompose_ls.assistants.assistant import Assistant
    from codecompose_ls.assistants.library import Library
    from codecompose_ls.assistants.outcome import Outcome
    from codecompose_ls.assistants.task import Diagnostic, Task
    from codecompose_ls.backends.chat import Chat
    from codecompose_ls.index.snippets import Find
    from codecompose_ls.settings import Settings

HELP = "ask an assistant about code: explain, review, document, test, mend"
EXAMPLE = "codecompose-ls assist explain src/app.py:12-40"

_RANGE = re.compile(r"(?P<path>.+?):(?P<line>\d+)(?::(?P<column>\d+))?(?:-(?P<to>\d+)(?::(?P<to_column>\d+))?)?")
_LIST, _TRUST = "list", "trust"
_NO_RANGE = (
    "say FILE:RANGE, where RANGE is LINE, LINE-LINE or LINE:COL-LINE:COL, counted from 1, as in src/app.py:12-40"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default=_LIST, metavar="NAME", help="an assistant, 'list' or 'trust'")
    parser.add_argument(
        "where",
        nargs="?",
        metavar="FILE:RANGE",
        help="RANGE is LINE, LINE-LINE or LINE:COL-LINE:COL, counted from 1; for 'list' and 'trust' a folder",
    )
    parser.add_argument("--apply", action="store_true", help="write the edit; otherwise it is printed as a diff")
    parser.add_argument("--problem", metavar="TEXT", help="what a checker reports there (for fix-diagnostic)")
    parser.add_argument("--say", metavar="TEXT", default="", help="what you want beside what the assistant asks for")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """List, trust, or carry out; text is printed as it comes. Exit status 2 where no edit came of it."""
    if args.name == _LIST:
        return _list(Path(args.where) if args.where else Path(), as_json=args.json)
    if args.name == _TRUST:
        return _trust(args.where)
    return _assist(args)


def _list(folder: Path, *, as_json: bool) -> int:
    from codecompose_ls.assistants.carry_out import SET_UP, needs_chat
    from codecompose_ls.assistants.library import library

    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    root, settings = _settings(folder.resolve())
    found = library(root)
    has_chat = settings.chat != "none"
    rows = []
    for one in found.assistants:
        reason = "" if has_chat else needs_chat(one, "python")
        rows.append({"name": one.name, "title": one.title, "kind": one.kind, "origin": one.origin, "disabled": reason})
        if not has_chat and one.analysis:
            rows[-1]["note"] = "for Python, by analysis"
    if as_json:
        print(json.dumps({"assistants": rows, "untrusted": found.untrusted, "problems": found.problems}, indent=2))
        return 0
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        can = "needs a chat model" if row["disabled"] else row.get("note", "ready")
        print(f"{row['name']:<{width}}  {row['kind']:<4}  {row['origin']:<8}  {can:<23}  {row['title']}")
    if any(row["disabled"] for row in rows):
        print(f"\nWhat is not ready {SET_UP}.")
    _report(found)
    return 0


def _report(found: Library) -> None:
    for problem in found.problems:
        print(f"codecompose-ls: {problem}", file=sys.stderr)
    if found.untrusted:
        names = ", ".join(found.untrusted)
        print(f"codecompose-ls: the project's own are not trusted yet ({names}): {_how(found.root)}", file=sys.stderr)


def _how(root: Path | None) -> str:
    return f"read them, then run: codecompose-ls assist trust {root}"


def _trust(folder: str | None) -> int:
    from codecompose_ls.assistants.library import project_folder, trust

    if folder is None:
        raise InputError("say the project's folder, as in: codecompose-ls assist trust .")
    root = Path(folder).expanduser().resolve()
    if not root.is_dir():
        raise InputError(f"{folder}: no such folder")
    names = trust(root)
    print(f"trusted, as they are now: {', '.join(names)} ({project_folder(root)})")
    return 0


def _assist(args: argparse.Namespace) -> int:
    from codecompose_ls.assistants.apply import apply
    from codecompose_ls.assistants.library import library

    asked = args.where or "."
    path = Path(asked if Path(asked).is_dir() else _parsed(asked)["path"]).expanduser().resolve()
    root, settings = _settings(path)
    found = library(root)
    assistant = found.find(args.name)
    task = _task(assistant, asked, root, settings, problem=args.problem, instructions=args.say)
    outcome = asyncio.run(_carried_out(task, settings, stream=not args.json))
    if args.apply:
        apply(outcome.edits)
    _print(outcome, assistant, root, applied=args.apply and bool(outcome.edits), as_json=args.json)
    return 2 if assistant.edits and not outcome.edits else 0


def _settings(path: Path) -> tuple[Path, Settings]:
    from codecompose_ls import settings

    root = root_of(path / "_") if path.is_dir() else root_of(path)
    loaded, problems = settings.load(root=root)
    for problem in problems:
        print(f"codecompose-ls: {problem}", file=sys.stderr)
    return root, loaded


def _task(
    assistant: Assistant, asked: str, root: Path, settings: Settings, *, problem: str | None, instructions: str
) -> Task:
    from codecompose_ls.assistants.task import Diagnostic, Task
    from codecompose_ls.types import Document

    if not assistant.about_code and Path(asked).is_dir():
        document = Document(root.as_uri(), root.name, "", "", repository=root.name)
        return Task(assistant, document, 0, 0, root=root, ignore=settings.ignore, instructions=instructions)
    match = _parsed(asked)
    path = Path(match["path"]).expanduser().resolve()
    text = read(path, root, settings.ignore)
    language = language_of(path)
    if language is None:
        raise InputError(f"{path}: not a source file of a language we know")
    if not assistant.knows(language):
        raise InputError(f"'{assistant.name}' is for {', '.join(assistant.languages)}, not for {language}")
    start, end = _span(match, path, text)
    document = Document(path.as_uri(), path.relative_to(root).as_posix(), language, text, repository=root.name)
    if "diagnostics" in assistant.needs and not problem:
        raise InputError(f"'{assistant.name}' is told what a checker reports there: --problem TEXT")
    said: tuple[Diagnostic, ...] = (Diagnostic(start, end, problem),) if problem else ()
    return Task(assistant, document, start, end, said, root, settings.ignore, instructions)


def _parsed(asked: str) -> re.Match[str]:
    match = _RANGE.fullmatch(asked)
    if match is None:
        raise InputError(f"{asked}: {_NO_RANGE}")
    return match


def _span(match: re.Match[str], path: Path, text: str) -> tuple[int, int]:
    """Return what a range means in code points: lines are whole, without the last one's end."""
    starts = [0, *(found.end() for found in re.finditer(r"\r\n|\r|\n", text))]
    lines = re.split(r"\r\n|\r|\n", text)

    def offset(line: int, column: int | None, *, end: bool) -> int:
        if not 1 <= line <= len(lines):
            raise InputError(f"{path.name}:{line}: the file has lines 1 to {len(lines)}")
        width = len(lines[line - 1])
        if column is not None and not 1 <= column <= width + 1:
            raise InputError(f"{path.name}:{line}:{column}: the line has columns 1 to {width + 1}")
        within = column - 1 if column is not None else (width if end else 0)
        return starts[line - 1] + within

    line, column = int(match["line"]), int(match["column"]) if match["column"] else None
    start = offset(line, column, end=False)
    if match["to"] is None:
        return start, start
    end = offset(int(match["to"]), int(match["to_column"]) if match["to_column"] else None, end=True)
    if end < start:
        raise InputError(f"{path.name}: the range ends before it begins")
    return start, end


async def _carried_out(task: Task, settings: Settings, *, stream: bool) -> Outcome:
    from codecompose_ls.assistants.carry_out import carry_out

    def show(piece: str, _: str) -> None:
        if stream:
            # The answer of an assistant that edits is for reading along; what counts is the diff.
            out = sys.stderr if task.assistant.edits else sys.stdout
            print(piece, end="", flush=True, file=out)

    told: list[str] = []

    def tell(line: str) -> None:
        if not told:
            print(f"codecompose-ls: {line}; Ctrl-C ends the wait", file=sys.stderr)
        told.append(line)

    (chat, absent), stop = _chat(task, settings), threading.Event()
    find = _find(task, settings) if chat else None
    try:
        return await carry_out(task, chat=chat, stop=stop, show=show, tell=tell, find=find, absent=absent)
    finally:
        stop.set()
        if chat is not None:
            chat.close()
            # What closes connections is a task of its own.
            await asyncio.sleep(0)
            await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)


def _chat(task: Task, settings: Settings) -> tuple[Chat | None, str]:
    """Return the chat model; where it is not needed and cannot be had, why not."""
    from codecompose_ls.assistants.carry_out import needs_chat
    from codecompose_ls.backends.connect import connect_chat

    try:
        return connect_chat(settings), ""
    except CodeComposeError as error:
        if needs_chat(task.assistant, task.document.language):
            raise
        return None, str(error)


def _find(task: Task, settings: Settings) -> Find | None:
    """Look for definitions in what a server has stored of the workspace."""
    if not settings.index or task.root is None or "definitions" not in task.assistant.wants:
        return None
    from codecompose_ls.index.snippets import snippets_of
    from codecompose_ls.index.upkeep import Upkeep

    upkeep = Upkeep(task.root, settings.ignore)
    upkeep.load()
    place = (upkeep.workspace, task.document.path)
    return snippets_of(lambda _: place)


def _print(outcome: Outcome, assistant: Assistant, root: Path, *, applied: bool, as_json: bool) -> None:
    from codecompose_ls.assistants.outcome import results, unified_diff

    diff = unified_diff(outcome.edits, root)
    if as_json:
        found = {
            "name": assistant.name,
            "title": assistant.title,
            "markdown": outcome.markdown,
            "diff": diff,
            "applied": applied,
            "refusal": outcome.refusal,
            "made_by": outcome.made_by,
        }
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    if not outcome.markdown.endswith("\n"):
        print(file=sys.stderr if assistant.edits else sys.stdout)
    if outcome.refusal:
        print(f"codecompose-ls: no edit: {outcome.refusal}", file=sys.stderr)
    elif applied:
        print("\n".join(f"wrote {path}" for path in results(outcome.edits)))
    else:
        print(diff, end="")
