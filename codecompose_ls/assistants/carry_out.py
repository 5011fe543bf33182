"""Carry out a task: ask the chat model or, where none answers, analyse; edits are checked before they are offered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from codecompose_ls.assistants.analysis import analyse
from codecompose_ls.assistants.assistant import Assistant
from codecompose_ls.assistants.context import Given, gather
from codecompose_ls.assistants.edit import edit_of
from codecompose_ls.assistants.outcome import Outcome
from codecompose_ls.assistants.prompt import fill
from codecompose_ls.assistants.reply import Unfit, without_thoughts
from codecompose_ls.assistants.silence import Silence
from codecompose_ls.assistants.task import Task
from codecompose_ls.backends.chat import Chat
from codecompose_ls.backends.dialect import Message
from codecompose_ls.errors import Cancelled, CodeComposeError, InputError
from codecompose_ls.index.snippets import Find
from codecompose_ls.types import Sampling, Stop

#: Characters of a prompt for each token of the model's context: prompts take about half of it.
CHARACTERS_PER_TOKEN = 2
#: Tokens of an answer; one that rewrites code gets more for more code. A token has no more characters than this.
ANSWER_TOKENS, TOKENS_PER_CHARACTER = 2048, 0.5
_CHARACTERS_PER_TOKEN = 16
#: Gets every piece of an answer as it comes, and who says it.
Show = Callable[[str, str], None]
SET_UP = "needs a chat model: set 'chat' in your settings (docs/how-to/assistants.md)"


def needs_chat(assistant: Assistant, language: str) -> str:
    """Say why an assistant cannot be carried out without a chat model; empty where analysis can do it."""
    return "" if assistant.analysis and language == "python" else SET_UP


async def carry_out(
    task: Task,
    *,
    chat: Chat | None,
    stop: Stop,
    show: Show,
    tell: Callable[[str], None] = lambda _: None,
    find: Find | None = None,
    absent: str = "",
) -> Outcome:
    """Return what came of a task.

    Without a chat model (`absent`: why one that is set up cannot be asked) analysis does what it can, for Python;
    anything else raises `InputError`. Analysis stands in, too, for a model that fails before it has said anything, or
    that is silent and gives no sign of life; `tell` gets a line now and then while nothing is said. `find` looks into
    an index for definitions. Otherwise raises what the chat model raises, and `Cancelled` when `stop` was set;
    cancelling the coroutine stops the generation, too.
    """
    needed = needs_chat(task.assistant, task.document.language)
    if chat is None:
        if needed:
            raise InputError(f"'{task.assistant.name}' {needed}")
        return await _analysed(task, why=absent, stop=stop, show=show)
    silence = Silence(chat, tell, looks=not needed)

    def hear(text: str) -> None:
        if text:
            silence.end()
        show(text, chat.model)

    try:
        return await _answered(task, chat, silence, stop=stop, show=hear, find=find)
    except CodeComposeError as error:
        # What is asked of the wrong code is for the user to mend.
        if needed or silence.is_broken or isinstance(error, InputError):
            raise
        return await _analysed(task, why=str(error), stop=stop, show=show)


async def _analysed(task: Task, *, why: str, stop: Stop, show: Show) -> Outcome:
    outcome = await asyncio.to_thread(analyse, task, why=why)
    if stop.is_set():
        raise Cancelled
    show(outcome.markdown, outcome.made_by)
    return outcome


async def _answered(
    task: Task, chat: Chat, silence: Silence, *, stop: Stop, show: Callable[[str], None], find: Find | None
) -> Outcome:
    given = await asyncio.to_thread(gather, task, find=find, budget=CHARACTERS_PER_TOKEN * chat.context)
    max_tokens = min(_longest(given), chat.context // 2)
    asking = _ask(chat, fill(task.assistant, given.values), max_tokens, stop=stop, show=show)
    answer, whole = await silence.attend(asking)
    return await asyncio.to_thread(_concluded, task, given, answer, whole=whole, made_by=chat.model)


def _longest(given: Given) -> int:
    """Return how many tokens an answer may have."""
    return ANSWER_TOKENS + int(TOKENS_PER_CHARACTER * given.size)


async def _ask(
    chat: Chat, prompt: str, max_tokens: int, *, stop: Stop, show: Callable[[str], None]
) -> tuple[str, bool]:
    """Return what the model says, and whether it came to an end by itself."""
    answer, finish = "", None
    messages, sampling = [Message("user", prompt)], Sampling(max_tokens=max_tokens)
    async with aclosing(chat.chat(messages, sampling, stop=stop)) as pieces:
        async for piece in pieces:
            if stop.is_set():
                raise Cancelled
            answer += piece.text
            finish = piece.finish
            show(piece.text)
            if len(answer) > max_tokens * _CHARACTERS_PER_TOKEN:
                return answer, False
    return answer, finish == "stop"


def _concluded(task: Task, given: Given, answer: str, *, whole: bool, made_by: str) -> Outcome:
    markdown = without_thoughts(answer)
    if not markdown.strip():
        said = "the model has said nothing"
        return Outcome(f"*{said[0].upper()}{said[1:]}.*\n", refusal=said * task.assistant.edits, made_by=made_by)
    if not task.assistant.edits:
        return Outcome(markdown if whole else f"{markdown}\n\n*The answer was cut off.*\n", made_by=made_by)
    if not whole:
        return Outcome(markdown, refusal="the answer was cut off", made_by=made_by)
    try:
        edit = edit_of(task, given, answer)
    except Unfit as error:
        return Outcome(markdown, refusal=str(error), made_by=made_by)
    return Outcome(markdown, (edit,), made_by=made_by, description=f"{task.assistant.title}: by {made_by}")
