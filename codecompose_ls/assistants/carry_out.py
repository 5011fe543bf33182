"""Carry out a task: ask the chat model or, without one, analyse; edits are checked before they are offered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from codecompose_ls.assistants.analysis import analyse
from codecompose_ls.assistants.assistant import Assistant
from codecompose_ls.assistants.outcome import Outcome
from codecompose_ls.assistants.prompt import fenced, fill
from codecompose_ls.assistants.task import Task, touched_lines
from codecompose_ls.backends.chat import Chat
from codecompose_ls.backends.dialect import Message
from codecompose_ls.errors import Cancelled, InputError
from codecompose_ls.index.snippets import Find
from codecompose_ls.types import Sampling, Stop

#: Characters of a prompt: some 6,000 tokens.
BUDGET = 24_000
#: The longest answer, in tokens.
MAX_TOKENS = 4096
SET_UP = "needs a chat model: set 'chat' in your settings (docs/how-to/assistants.md)"


def needs_chat(assistant: Assistant, language: str) -> str:
    """Say why an assistant cannot be carried out without a chat model; empty where analysis can do it."""
    return "" if assistant.analysis and language == "python" else SET_UP


async def carry_out(
    task: Task,
    *,
    chat: Chat | None,
    stop: Stop,
    show: Callable[[str], None],
    find: Find | None = None,
    budget: int = BUDGET,
) -> Outcome:
    """Return what came of a task; `show` gets every piece of the answer as it comes.

    Without a chat model analysis does what it can, for Python; anything else raises `InputError`. `find` looks into
    an index for definitions, `budget` is the longest prompt in characters. Raises what the chat model raises, and
    `Cancelled` when `stop` was set; cancelling the coroutine stops the generation, too.
    """
    assistant, document = task.assistant, task.document
    if chat is None:
        if reason := needs_chat(assistant, document.language):
            raise InputError(f"'{assistant.name}' {reason}")
        outcome = await asyncio.to_thread(analyse, task)
        if stop.is_set():
            raise Cancelled
        show(outcome.markdown)
        return outcome
    first, last = touched_lines(document.text, task.start, task.end)
    prompt = fill(assistant, {"code": fenced(document.text[first:last], document.language), "path": document.path})
    answer = ""
    sampling = Sampling(max_tokens=MAX_TOKENS)
    async with aclosing(chat.chat([Message("user", prompt)], sampling, stop=stop)) as pieces:
        async for piece in pieces:
            answer += piece.text
            show(piece.text)
    refusal = "the answer cannot be checked yet" if assistant.edits else ""
    return Outcome(answer, refusal=refusal, made_by=chat.model)
