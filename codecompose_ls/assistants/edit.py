"""From a model's answer to an edit that may be offered: in place of the code, or as tests of their own."""

from __future__ import annotations

import re

from codecompose_ls.assistants.assistant import TESTS
from codecompose_ls.assistants.check import check, check_file
from codecompose_ls.assistants.context import Given
from codecompose_ls.assistants.counterpart import APPENDS, Counterpart
from codecompose_ls.assistants.indentation import fit
from codecompose_ls.assistants.outcome import FileEdit
from codecompose_ls.assistants.reply import Unfit, candidates, is_fenced
from codecompose_ls.assistants.syntax import syntax
from codecompose_ls.assistants.target import Target
from codecompose_ls.assistants.task import Task

#: What makes code a test, in some language or other.
_TESTING = re.compile(r"(?i)test|spec\b|\bit\(|assert|expect|require")
_IMPORTING = re.compile(r"\s*(?:import|from|use|using|require|const|package|#include)\b")


def edit_of(task: Task, given: Given, answer: str) -> FileEdit:
    """Return the edit that an answer means. Raises `Unfit`."""
    if task.assistant.target == TESTS and given.counterpart is not None:
        return _tests(given.counterpart, answer, task.document.language)
    if given.target is None:
        raise Unfit("there is no code that the answer could take the place of")
    return _replacement(task, given.target, answer)


def _replacement(task: Task, target: Target, answer: str) -> FileEdit:
    """The one block of the answer that can stand where the code stands."""
    document, comments_only = task.document, task.assistant.comments_only
    text, given = document.text, document.text[target.start : target.end]
    found: list[str] = []
    why: Unfit | None = None
    blocks = candidates(answer, document.language)
    for block in blocks:
        new = fit(block, given=given.replace("\r\n", "\n"), around=text, language=document.language)
        new = new.replace("\n", _newline(text))
        try:
            if not is_fenced(answer):
                _check_bare(block, given, document.language)
            check(text, target.start, target.end, new, language=document.language, comments_only=comments_only)
            found.append(new)
        except Unfit as error:
            why = why or error
    if len(found) > 1:
        raise Unfit("the answer holds more than one block of code that would fit")
    if not found:
        raise why or Unfit("the answer holds no code")
    return _narrowed(FileEdit(document.uri, text, target.start, target.end, found[0]))


def _check_bare(code: str, given: str, language: str) -> None:
    """Refuse prose that parses: an answer without fences must begin as the code does, or define something."""
    tree = syntax(code, language)
    defines = tree is not None and not tree.errors() and bool(tree.definitions(0, len(code)))
    if not defines and _first_word(code) != _first_word(given):
        raise Unfit("the answer holds no code block")


def _first_word(code: str) -> str:
    found = re.search(r"\S+", code)
    return found.group() if found else ""


def _tests(counterpart: Counterpart, answer: str, language: str) -> FileEdit:
    blocks = candidates(answer, language) if is_fenced(answer) else []
    if not blocks:
        raise Unfit("the answer holds no code block")
    code = max(blocks, key=len)
    if not _TESTING.search(code):
        raise Unfit("the answer holds no tests")
    uri = counterpart.path.as_uri()
    if counterpart.text is None:
        check_file(code, language=language)
        return FileEdit(uri, "", 0, 0, f"{code}\n", creates=True)
    if language not in APPENDS:
        raise Unfit(f"{counterpart.path.name} is there already, and tests in {language} cannot be added at its end")
    text = counterpart.text
    code = _without_known_imports(code, text)
    gap = "" if text.endswith("\n") or not text else "\n"
    added = f"{gap}{chr(10) * (2 if language == 'python' else 1)}{code}\n".replace("\n", _newline(text))
    check(text, len(text), len(text), added, language=language)
    return FileEdit(uri, text, len(text), len(text), added)


def _without_known_imports(code: str, text: str) -> str:
    """Leave out the imports at the head of the code that the file has, too."""
    known = set(text.splitlines())
    lines = code.split("\n")
    while lines and (not lines[0].strip() or (_IMPORTING.match(lines[0]) and lines[0] in known)):
        lines.pop(0)
    return "\n".join(lines)


def _narrowed(edit: FileEdit) -> FileEdit:
    """Return the edit without the lines at both ends that stay as they are."""
    old, new = edit.source[edit.start : edit.end].splitlines(keepends=True), edit.text.splitlines(keepends=True)
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    start = edit.start + sum(map(len, old[:head]))
    end = edit.end - sum(map(len, old[len(old) - tail :]))
    return FileEdit(edit.uri, edit.source, start, end, "".join(new[head : len(new) - tail]))


def _newline(text: str) -> str:
    """Return what ends most lines of a text."""
    crlf, cr, lf = text.count("\r\n"), text.count("\r"), text.count("\n")
    if crlf and crlf * 2 >= lf:
        return "\r\n"
    return "\r" if cr > lf else "\n"
