"""Whatever is typed, asked, cancelled and shown in any order: one answer each, and ids that keep their word."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from codecompose_ls.completion import Pipeline
from codecompose_ls.errors import EngineError
from codecompose_ls.settings import Settings
from codecompose_ls.types import Answer, CompletionRequest, Context, Trigger
from tests.cursor import document
from tests.fakes import FakeBackend

PROGRAM = "def total(items):\n    result = sum(item.price for item in items)\n    return round(result, 2)\n"
URIS = ("file:///a.py", "file:///b.py")


def reply(context: Context) -> str:
    """Go on as the program does, now and then otherwise, with too much, with nothing, or with an error."""
    size = len(context.prefix)
    answers = (PROGRAM[size : size + 20], PROGRAM[size : size + 40], "other(thing)", "", "\n\n\n")
    if size % 11 == 7:
        raise EngineError("the engine crashed")
    return answers[size % len(answers)]


step = st.one_of(
    st.tuples(st.just("type"), st.sampled_from(URIS), st.integers(1, 6)),
    st.tuples(st.just("mistype"), st.sampled_from(URIS), st.sampled_from(["x", "(", ")", "\n", "    "])),
    st.tuples(st.just("delete"), st.sampled_from(URIS), st.integers(1, 3)),
    st.tuples(st.just("move"), st.sampled_from(URIS), st.integers(0, 60)),
    st.tuples(st.just("ask"), st.sampled_from(URIS), st.sampled_from(list(Trigger))),
    st.tuples(st.just("cancel"), st.sampled_from(URIS), st.none()),
    st.tuples(st.just("shown"), st.sampled_from(URIS), st.none()),
    st.tuples(st.just("accept"), st.sampled_from(URIS), st.none()),
    st.tuples(st.just("dismiss"), st.sampled_from(URIS), st.none()),
    st.tuples(st.just("run"), st.sampled_from(URIS), st.integers(1, 30)),
    st.tuples(st.just("swap"), st.sampled_from(URIS), st.none()),
)


@dataclass
class Editor:
    """One open file, as an editor that asks the pipeline sees it."""

    uri: str
    text: str = PROGRAM[:18]
    offset: int = 18
    asked: list[tuple[CompletionRequest, asyncio.Task[Answer]]] = field(default_factory=list)
    cancelled: set[asyncio.Task[Answer]] = field(default_factory=set)

    def put(self, text: str) -> None:
        self.text = self.text[: self.offset] + text + self.text[self.offset :]
        self.offset += len(text)

    @property
    def suggestion(self):  # type: ignore[no-untyped-def]
        """The last suggestion that came."""
        answers = [task.result() for _, task in self.asked if task.done() and not task.cancelled()]
        return next((answer.suggestion for answer in reversed(answers) if answer.suggestion), None)


async def live(pipe: Pipeline, editor: Editor, action: str, value: object) -> None:
    if action == "type":
        editor.put(PROGRAM[len(editor.text) :][: int(value)])  # type: ignore[call-overload]
    elif action == "mistype":
        editor.put(str(value))
    elif action == "delete":
        start = max(0, editor.offset - int(value))  # type: ignore[call-overload]
        editor.text, editor.offset = editor.text[:start] + editor.text[editor.offset :], start
    elif action == "move":
        editor.offset = min(int(value), len(editor.text))  # type: ignore[call-overload]
    elif action == "ask":
        request = CompletionRequest(document(editor.text, uri=editor.uri), editor.offset, Trigger(value))
        editor.asked.append((request, asyncio.ensure_future(pipe.complete(request))))
        await asyncio.sleep(0)
    elif action == "cancel" and editor.asked and not editor.asked[-1][1].done():
        editor.asked[-1][1].cancel()
        editor.cancelled.add(editor.asked[-1][1])
    elif action == "run":
        for _ in range(int(value)):  # type: ignore[call-overload]
            await asyncio.sleep(0)
    elif action == "swap":
        pipe.swap(FakeBackend(reply=reply, model=f"model {id(object())}"))
    elif suggestion := editor.suggestion:
        if action == "shown":
            await pipe.shown(suggestion.id)
        elif action == "dismiss":
            pipe.dismissed(suggestion.id)
        elif action == "accept":
            pipe.accepted(suggestion.id)
            if editor.text[: suggestion.offset] and editor.offset == suggestion.offset:
                editor.text = editor.text[: suggestion.offset] + suggestion.text + editor.text[suggestion.end :]
                editor.offset = suggestion.offset + len(suggestion.text)


async def scenario(steps: list[tuple[str, str, object]]) -> list[Editor]:
    pipe = Pipeline(FakeBackend(reply=reply), Settings(), sleep=lambda _: asyncio.sleep(0))
    editors = {uri: Editor(uri) for uri in URIS}
    for action, uri, value in steps:
        await live(pipe, editors[uri], action, value)
    for editor in editors.values():
        await asyncio.gather(*(task for _, task in editor.asked), return_exceptions=True)
    pipe.close()
    await asyncio.sleep(0)
    return list(editors.values())


@settings(max_examples=150, deadline=None)
@given(st.lists(step, max_size=40))
def test_every_request_is_answered_once_and_an_id_means_one_text(steps: list[tuple[str, str, object]]) -> None:
    outcome: dict[str, str] = {}
    for editor in asyncio.run(scenario(steps)):
        for number, (request, task) in enumerate(editor.asked):
            assert task.done()
            if task.cancelled():
                assert task in editor.cancelled
                continue
            answer = task.result()
            assert (answer.suggestion is None) == bool(answer.reason)
            if answer.reason == "superseded":
                assert number + 1 < len(editor.asked)
            if suggestion := answer.suggestion:
                text = request.document.text
                assert suggestion.text.strip()
                assert 0 <= suggestion.offset <= suggestion.end <= len(text)
                assert "\n" not in text[suggestion.offset : suggestion.end]
                # However much of it had been typed, accepting leads to the same text before the cursor.
                result = text[: suggestion.offset] + suggestion.text
                assert outcome.setdefault(suggestion.id, result) == result
