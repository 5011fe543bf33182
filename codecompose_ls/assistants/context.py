"""The parts of a context that an assistant wants, within a budget of characters: the code whole, the rest as it fits.

Nothing of a file that may not be read is in them (index/files.py); what a file's definitions are, its grammar says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from codecompose_ls.assistants.assistant import TESTS
from codecompose_ls.assistants.changes import changes
from codecompose_ls.assistants.counterpart import Counterpart, find_counterpart
from codecompose_ls.assistants.indentation import leading
from codecompose_ls.assistants.prompt import fenced
from codecompose_ls.assistants.syntax import Definition, syntax
from codecompose_ls.assistants.target import Target, find_target
from codecompose_ls.assistants.task import TODO, Task, touched_lines, touching
from codecompose_ls.errors import InputError
from codecompose_ls.index.files import Admission
from codecompose_ls.index.snippets import Find
from codecompose_ls.languages import LANGUAGES
from codecompose_ls.types import Context, Document, Snippet

#: What of the room that is left each part may take at most, in the order in which they are served.
SHARES = {"diagnostics": 0.25, "todo": 0.25, "diff": 1.0, "tests": 0.5, "definitions": 0.5, "file": 1.0}
#: The part of the file before the code gets this share of its room.
BEFORE = 0.6
#: Less room than this is none.
SHORTEST = 80
_MESSAGE_CHARS = 400
_IDENTIFIER = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Given:
    """What the placeholders of a template stand for, and what they were taken from."""

    values: Mapping[str, str]
    target: Target | None = None
    counterpart: Counterpart | None = None

    @property
    def size(self) -> int:
        """Characters of the code that is meant."""
        return self.target.end - self.target.start if self.target is not None else 0


def gather(task: Task, *, find: Find | None, budget: int) -> Given:
    """Return what an assistant's placeholders stand for. Reads files; raises `InputError` with one line."""
    return _Gathering(task, Admission(task.root, task.ignore), find, budget).gather()


def path_of(uri: str) -> Path | None:
    """Return the path of a file URI; None for a document that has never been saved."""
    parts = urlsplit(uri)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


@dataclass(slots=True)
class _Gathering:
    task: Task
    admission: Admission
    find: Find | None
    room: int
    target: Target | None = None
    counterpart: Counterpart | None = None
    values: dict[str, str] = field(default_factory=dict)

    def gather(self) -> Given:
        task, document, assistant = self.task, self.task.document, self.task.assistant
        self.room -= len(assistant.template) + len(task.instructions)
        self.values = {"language": document.language, "path": document.path.replace("\n", " "), "name": ""}
        self.values["instructions"] = task.instructions
        if assistant.about_code:
            # What has never been saved, and a notebook's cell, are judged by where they would be.
            path = path_of(document.uri) or (task.root or Path()) / document.path
            if reason := self.admission.refusal(path, document.text):
                raise InputError(f"{document.path} is left alone: {reason}")
            self.target = find_target(task)
            self._put("code", fenced(self.code, document.language))
            self.values["name"] = self.target.name
            if self.room < 0:
                size, most = len(self.code), len(self.code) + self.room
                raise InputError(f"the code is {size:,} characters long, of which {most:,} would fit: select less")
        parts = {
            "diagnostics": self._diagnostics,
            "todo": self._todo,
            "diff": self._diff,
            "tests": self._tests,
            "definitions": self._definitions,
            "file": self._file,
        }
        for part, share in SHARES.items():
            needed = part in assistant.needs or (part == "tests" and assistant.target == TESTS)
            if needed or part in assistant.wants:
                try:
                    self._put(part, parts[part](int(self.room * share)))
                except InputError:
                    if needed:
                        raise
        return Given(self.values, self.target, self.counterpart)

    @property
    def code(self) -> str:
        return self.task.document.text[self.span[0] : self.span[1]]

    @property
    def span(self) -> tuple[int, int]:
        return (self.target.start, self.target.end) if self.target is not None else (0, 0)

    def _put(self, part: str, text: str) -> None:
        self.values[part] = text
        self.room -= len(text)

    def _diagnostics(self, room: int) -> str:
        task, text = self.task, self.task.document.text
        found = touching(task.diagnostics, *touched_lines(text, task.start, task.end))
        found = found or touching(task.diagnostics, *self.span)
        if not found:
            raise InputError("no problem is reported there")
        said = []
        for one in found:
            line = text.count("\n", 0, one.start) + 1
            message = " ".join(one.message.split())[:_MESSAGE_CHARS]
            said.append(
                f"- line {line}, at `{_line_at(text, one.start)}`: {message}" + f" ({one.source})" * bool(one.source)
            )
        return _within("Reported there:", said, room)

    def _todo(self, room: int) -> str:
        task, text = self.task, self.task.document.text
        first, last = touched_lines(text, task.start, task.end)
        found = TODO.findall(text, first, last) or TODO.findall(self.code)
        if not found:
            raise InputError("there is no TODO or FIXME in this code")
        return _within("", [f"- {one.strip()}" for one in found], room)

    def _diff(self, room: int) -> str:
        if self.task.root is None:
            raise InputError(f"{self.task.document.path} is in no workspace, so there are no changes to describe")
        found = changes(self.task.root, self.admission, room=room)
        said = f"The changes {found.about}:\n\n{fenced(found.diff, 'diff')}"
        return f"{said}\n\n{found}" if found.left_out else said

    def _tests(self, room: int) -> str:
        document = self.task.document
        path = path_of(document.uri)
        if path is None:
            raise InputError(f"save {document.path} first: where its tests belong depends on where it is")
        found = find_counterpart(path, self.task.root, document.language, self.admission)
        self.counterpart = found
        name = _relative(found.path, self.task.root)
        if found.text is None:
            return f"The tests will be a new file, `{name}`."
        shown = _tail(found.text, room)
        return f"The tests will be added at the end of `{name}`:\n\n{fenced(shown, document.language)}"

    def _definitions(self, room: int) -> str:
        """What the names in the code are, by this file and by the index."""
        document, (start, end) = self.task.document, self.span
        used = set(_IDENTIFIER.findall(self.code))
        said = []
        tree = syntax(document.text, document.language)
        for one in tree.definitions(0, len(document.text)) if tree is not None else ():
            outside = one.end <= start or one.start >= end
            if outside and one.name.rpartition(".")[2] in used:
                said.append(_signature(document, one))
        here = _within("", said, room)
        parts = [fenced(here, document.language)] if here else []
        room -= len(here)
        for snippet in self._snippets(document, room):
            parts.append(f"`{snippet.path}`:\n\n{fenced(snippet.text, document.language)}")
        return "\n\n".join(("Defined elsewhere:", *parts)) if parts else ""

    def _snippets(self, document: Document, room: int) -> tuple[Snippet, ...]:
        if self.find is None or room < SHORTEST:
            return ()
        context = Context(document.language, document.path, "", "", uri=document.uri, before=self.code)
        return self.find(context, room)

    def _file(self, room: int) -> str:
        """The file around the code, cut at both ends where it is too long."""
        document, (start, end) = self.task.document, self.span
        before, after = document.text[:start], document.text[end:]
        room -= SHORTEST
        if room < SHORTEST or not (before.strip() or after.strip()):
            return ""
        head = _tail(before, max(int(room * BEFORE), room - len(after)))
        tail = _head(after, room - len(head))
        mark = f"{leading(self.code)}{_comment(document)} ... the code above ..."
        return f"The file around it:\n\n{fenced(head + mark + tail, document.language)}"


def _signature(document: Document, definition: Definition) -> str:
    """Return a definition up to its body, below the name of the class it is in."""
    lines = document.text[definition.start : definition.body].rstrip(" \t\r\n{").splitlines()
    margin = len(leading(document.text[touched_lines(document.text, definition.start, definition.start)[0] :]))
    said = [line[margin:] if not line[:margin].strip() else line for line in lines]
    outer = definition.name.rpartition(".")[0]
    return "\n".join([f"{_comment(document)} in {outer}:"] * bool(outer) + said)


def _comment(document: Document) -> str:
    known = LANGUAGES.get(document.language)
    return known.line_comment if known else "//"


def _line_at(text: str, offset: int) -> str:
    first, last = touched_lines(text, offset, offset)
    return text[first:last].strip().replace("`", "'")


def _within(title: str, lines: list[str], room: int) -> str:
    """Return those of the lines that fit, in their order, below a title; nothing without lines."""
    said: list[str] = []
    room -= len(title)
    for line in lines:
        if len(line) >= room:
            break
        said.append(line)
        room -= len(line) + 1
    if not said:
        return ""
    return f"{title}\n\n" * bool(title) + "\n".join(said)


def _tail(text: str, room: int) -> str:
    """Return the last whole lines of a text that fit."""
    if len(text) <= room:
        return text
    cut = text.find("\n", len(text) - max(room, 0))
    return text[cut + 1 :] if cut >= 0 else ""


def _head(text: str, room: int) -> str:
    """Return the first whole lines of a text that fit."""
    return text if len(text) <= room else text[: text.rfind("\n", 0, max(room, 0)) + 1]


def _relative(path: Path, root: Path | None) -> str:
    return path.relative_to(root).as_posix() if root is not None and path.is_relative_to(root) else path.name
