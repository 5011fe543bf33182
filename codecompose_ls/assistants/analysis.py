"""What can be done for Python without a chat model: exactly, from the text alone, and saying so."""

from __future__ import annotations

from codecompose_ls.assistants.docstrings import add_docstrings
from codecompose_ls.assistants.explain import explain
from codecompose_ls.assistants.input_checks import Edit, add_input_checks
from codecompose_ls.assistants.outcome import ANALYSIS, FileEdit, Outcome, origin, unanswered
from codecompose_ls.assistants.prompt import fenced
from codecompose_ls.assistants.selection import Unparsable, select
from codecompose_ls.assistants.task import Task
from codecompose_ls.errors import InputError


def analyse(task: Task, *, why: str = "") -> Outcome:
    """Carry out one of `library.BY_ANALYSIS`. Raises `InputError` for any other.

    `why` is what kept a chat model from it, if one was to be asked.
    """
    text, start, end = task.document.text, task.start, task.end
    if task.assistant.name == "explain":
        return Outcome(explain(text, start, end, why=why), made_by=ANALYSIS, notice=_notice(why))
    if task.assistant.name == "add-input-checks":
        edit = add_input_checks(text, start, end)
        how = "from annotations, defaults and docstring"
        nothing = "no parameter here says what it may be, or all are checked"
        return _edited(task, (edit,) if edit else (), how=how, nothing=nothing, why=why)
    if task.assistant.name == "add-docstrings":
        how = "from signature, annotations, defaults, yields and raises"
        nothing = "no definition here lacks a docstring"
        return _edited(task, add_docstrings(text, start, end), how=how, nothing=nothing, why=why)
    raise InputError(f"'{task.assistant.name}' cannot be done by analysis")


def _edited(task: Task, edits: tuple[Edit, ...], *, how: str, nothing: str, why: str) -> Outcome:
    document = task.document
    made = origin(f"made by static analysis of this file, {how}", why=why)
    if not edits:
        nothing = _unparsable(document.text) or nothing
        text = f"Nothing to add: {nothing}.\n\n{made}\n"
        return Outcome(text, refusal=nothing, made_by=ANALYSIS, notice=_notice(why))
    description = f"{task.assistant.title}: by static analysis, {how}"
    shown = "\n\n".join(fenced(edit.text.strip("\r\n"), document.language) for edit in edits)
    return Outcome(
        f"{shown}\n\n{made}\n",
        tuple(FileEdit(document.uri, document.text, edit.start, edit.end, edit.text) for edit in edits),
        made_by=ANALYSIS,
        description=f"{description}; {unanswered(why)}" if why else description,
        notice=_notice(why),
    )


def _unparsable(text: str) -> str:
    """Say where a text is no Python; empty where it is."""
    try:
        select(text, 0, 0)
    except Unparsable as error:
        return str(error)
    return ""


def _notice(why: str) -> str:
    return f"{unanswered(why)}; done by analysis" if why else ""
