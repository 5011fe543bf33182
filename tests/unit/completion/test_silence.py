"""What the model is not sure of shows up only when it is asked for; what has been given stays."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from codecompose_ls.completion import Pipeline
from codecompose_ls.settings import Settings
from codecompose_ls.types import Answer, Source, Trigger
from tests.cursor import request_at
from tests.fakes import FakeBackend

CODE = "def total(items):\n    return ‸\n"
UNSURE, SURE = -3.0, -0.001


def pipeline(logprob: float = UNSURE, *, eagerness: str = "balanced") -> Pipeline:
    return Pipeline(FakeBackend("sum(items)", "other", logprob=logprob), Settings(eagerness=eagerness))


def asked(pipe: Pipeline) -> int:
    assert isinstance(pipe.backend, FakeBackend)
    return len(pipe.backend.asked)


async def ask(pipe: Pipeline, typed: str = "", *, trigger: Trigger = Trigger.AUTOMATIC) -> Answer:
    return await pipe.complete(request_at(CODE.replace("‸", typed + "‸"), trigger=trigger))


async def text(pipe: Pipeline, typed: str = "", *, trigger: Trigger = Trigger.AUTOMATIC) -> str | None:
    suggestion = (await ask(pipe, typed, trigger=trigger)).suggestion
    return suggestion.text if suggestion else None


async def test_an_automatic_request_stays_silent_and_says_why() -> None:
    answer = await ask(pipeline())
    assert (answer.suggestion, answer.reason) == (None, "filtered:confidence")


async def test_an_invoked_request_is_answered_and_told_how_sure_that_is() -> None:
    suggestion = (await ask(pipeline(), trigger=Trigger.INVOKED)).suggestion
    assert suggestion is not None and suggestion.text == "sum(items)"
    assert 0 < suggestion.confidence < 0.1


async def test_what_the_model_is_sure_of_is_shown() -> None:
    suggestion = (await ask(pipeline(SURE))).suggestion
    assert suggestion is not None and suggestion.confidence > 0.5


@pytest.mark.parametrize("logprob", [SURE, UNSURE])
async def test_high_eagerness_shows_all(logprob: float) -> None:
    assert await text(pipeline(logprob, eagerness="high")) == "sum(items)"


@pytest.mark.parametrize(("confidence", "silent"), [(0.99, ()), (0.35, ("low",)), (0.01, ("low", "balanced"))])
async def test_the_setting_says_how_sure_is_sure_enough(confidence: float, silent: tuple[str, ...]) -> None:
    for eagerness in ("low", "balanced", "high"):
        backend = FakeBackend("sum(items)")
        pipe = Pipeline(backend, Settings(eagerness=eagerness), confidence=lambda _: confidence)
        assert (await text(pipe) is None) == (eagerness in silent)


async def test_a_changed_setting_counts_at_once() -> None:
    pipe = pipeline()
    assert await text(pipe) is None
    pipe.configure(Settings(eagerness="high"))
    assert await text(pipe) == "other"


async def test_what_was_kept_back_is_there_when_it_is_asked_for() -> None:
    pipe = pipeline()
    assert [await text(pipe), await text(pipe)] == [None, None]
    answer = await ask(pipe, trigger=Trigger.INVOKED)
    assert answer.suggestion is not None
    assert (answer.suggestion.text, answer.suggestion.source) == ("sum(items)", Source.CACHE)
    assert asked(pipe) == 1


async def test_what_was_given_is_typed_through_and_drawn_again() -> None:
    pipe = pipeline()
    first = (await ask(pipe, trigger=Trigger.INVOKED)).suggestion
    assert first is not None
    for typed in ("", "s", "sum(", "sum(items"):
        again = (await ask(pipe, typed)).suggestion
        assert again is not None
        assert (again.id, again.text) == (first.id, "sum(items)"[len(typed) :])
    assert asked(pipe) == 1


async def test_what_was_taken_back_is_kept_back_again() -> None:
    pipe = pipeline()
    first = (await ask(pipe, trigger=Trigger.INVOKED)).suggestion
    assert first is not None
    pipe.dismissed(first.id)
    assert await text(pipe) is None


async def test_what_was_given_before_is_given_again_from_the_cache() -> None:
    pipe = pipeline()
    assert await text(pipe, trigger=Trigger.INVOKED) == "sum(items)"
    # Another cursor, and back.
    await pipe.complete(request_at("def total(items):‸\n    return \n"))
    again = (await ask(pipe)).suggestion
    assert again is not None and (again.text, again.source) == ("sum(items)", Source.CACHE)


async def test_it_speaks_once_enough_of_it_is_typed() -> None:
    # Unsure how to begin, sure how to go on.
    backend = FakeBackend("sum(items)")
    pipe = Pipeline(backend, Settings())
    original = backend.stream

    async def hesitant(*args, **kwargs):  # type: ignore[no-untyped-def]
        async for piece in original(*args, **kwargs):
            yield replace(piece, logprob=-6.0) if piece.text == "sum" else piece

    backend.stream = hesitant  # type: ignore[method-assign]
    assert await text(pipe) is None
    assert await text(pipe, "sum") == "(items)"
    assert asked(pipe) == 1


async def test_it_prepares_the_place_after_one_that_it_is_not_sure_about() -> None:
    backend = FakeBackend("sum(items)", logprob=SURE)
    pipe = Pipeline(backend, Settings())
    first = (await ask(pipe)).suggestion
    assert first is not None
    backend.logprob = UNSURE
    backend.answers.extend([" + 1", "print(items)"])
    await pipe.shown(first.id)
    await asyncio.gather(*pipe._speculations)
    # After the acceptance, and after the new line from there.
    assert len(backend.asked) == 3
