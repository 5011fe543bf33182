"""What can be done for Python without a chat model: exactly, from the text alone, and saying so."""

from __future__ import annotations

from codecompose_ls.assistants.docstrings import add_docstrings
from codecompose_ls.assistants.explain import explain
from codecompose_ls.assistants.input_checks import Edit, add_input_checks
from codecompose_ls.assistants.outcome import ANALYSIS, FileEdit, Outcome
from codecompose_ls.assistants.prompt import fenced
from codecompose_ls.assistants.task import Task
from codecompose_ls.errors import InputError


def analyse(task: Task) -> Outcome:
    """Carry out one of `library.BY_ANALYSIS`. Raises `InputError` for any other."""
    text, start, end = task.document.text, task.start, task.end
    if task.assistant.name == "explain":
        return Outcome(explain(text, start, end), made_by=ANALYSIS)
    if task.assistant.name == "add-input-checks":
        edit = add_input_checks(text, start, end)
        how = "from annotations, defaults and docstring"
        return _edited(task, (edit,) if edit else (), how, "no parameter here says what it may be, or all are checked")
    if task.assistant.name == "add-docstrings":
        how = "from signature, annotations, defaults, yields and raises"
        return _edited(task, add_docstrings(text, start, end), how, "no definition here lacks a docstring")
    raise InputError(f"'{task.assistant.name}' cannot be done by analysis")


def _edited(task: Task, edits: tuple[Edit, ...], how: str, nothing: str) -> Outcome:
    document = task.document
    made = f"*Made by static analysis of this file, {how}; no model was asked.*"
    if not edits:
        return Outcome(f"Nothing to add: {nothing}.\n\n{made}\n", refusal=nothing, made_by=ANALYSIS)
    shown = "\n\n".join(fenced(edit.text.strip("\r\n"), document.language) for edit in edits)
    return Outcome(
        f"{shown}\n\n{made}\n",
        tuple(FileEdit(document.uri, document.text, edit.start, edit.end, edit.text) for edit in edits),
        made_by=ANALYSIS,
        description=f"{task.assistant.title}: by static analysis, {how}",
    )
