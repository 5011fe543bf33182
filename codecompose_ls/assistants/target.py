"""Which code a task is about: whole lines, of what is selected or of the innermost definition around it."""

from __future__ import annotations

from dataclasses import dataclass

from codecompose_ls.assistants.assistant import FUNCTION
from codecompose_ls.assistants.syntax import Definition, Syntax, syntax
from codecompose_ls.assistants.task import Task, touched_lines
from codecompose_ls.errors import InputError


@dataclass(frozen=True, slots=True)
class Target:
    """The lines text[start:end], without the last one's end; `name` is what they define, if one thing."""

    start: int
    end: int
    name: str = ""


def find_target(task: Task) -> Target:
    """Return the code that is meant. Raises `InputError` where there is none."""
    text, assistant = task.document.text, task.assistant
    start, end = sorted((task.start, task.end))
    selected = text[start:end].strip()
    first, last = _without_margin(text, *(_visible(text, start, end) if selected else touched_lines(text, start, end)))
    tree = syntax(text, task.document.language)
    if tree is not None and (assistant.scope == FUNCTION or not selected):
        meant = _visible(text, first, last)
        if not selected and first < last:
            # A line may hold more than one definition: at a cursor the one around it counts.
            meant = (max(meant[0], min(start, meant[1] - 1)),) * 2
        found = tree.definition(*meant)
        if found is not None:
            return _of(text, found)
    if selected:
        return Target(first, last, _only_name(tree, first, last))
    if not assistant.edits:
        start, end = _without_margin(text, 0, len(text))
        if start == end:
            raise InputError(f"{task.document.path} is empty: there is nothing to ask about")
        return Target(start, end)
    statement = tree.statement(*_visible(text, first, last)) if tree is not None and first < last else None
    if statement is None:
        raise InputError("no code is selected, and the cursor is in no function: select the code that is meant")
    return Target(*_without_margin(text, *touched_lines(text, *statement)))


def _of(text: str, definition: Definition) -> Target:
    return Target(*touched_lines(text, definition.start, definition.end), definition.name)


def _only_name(tree: Syntax | None, start: int, end: int) -> str:
    names = [one.name for one in tree.definitions(start, end)] if tree is not None else []
    return names[0] if names and all(name.startswith(f"{names[0]}.") for name in names[1:]) else ""


def _visible(text: str, start: int, end: int) -> tuple[int, int]:
    """Return what of a stretch of text is more than white space at its ends."""
    found = text[start:end]
    if not found.strip():
        return start, start
    return start + len(found) - len(found.lstrip()), end - len(found) + len(found.rstrip())


def _without_margin(text: str, start: int, end: int) -> tuple[int, int]:
    """Return whole lines without the blank ones at their ends."""
    first, last = _visible(text, start, end)
    return touched_lines(text, first, last) if first < last else (start, start)
