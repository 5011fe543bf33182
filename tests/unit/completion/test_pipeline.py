"""The pipeline with a backend that answers, is slow, fails or hangs. Time is injected; nothing sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from codecompose_ls.backends.backend import Priority
from codecompose_ls.completion import Pipeline
from codecompose_ls.errors import BackendError, Cancelled, EngineError
from codecompose_ls.settings import Settings
from codecompose_ls.types import Answer, CompletionRequest, Opening, Source, Suggestion, Trigger
from tests.cursor import document, request_at, split
from tests.fakes import HANG, FakeBackend

SETTINGS = Settings()
CODE = "def total(items):\n    return ‸\n"


def typed(marked: str, text: str) -> str:
    """Return the code after `text` was typed at the cursor."""
    return marked.replace("‸", text + "‸")


class Time:
    """A clock that a sleep moves on, and that can be asked who slept."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds * 1000)
        self.now += seconds * 1000


def pipeline(backend: FakeBackend, settings: Settings = SETTINGS, *, time: Time | None = None) -> Pipeline:
    time = time or Time()
    return Pipeline(backend, settings, clock=time, sleep=time.sleep)


async def ask(pipe: Pipeline, marked: str, **fields: object) -> Answer:
    return await pipe.complete(request_at(marked, **fields))  # type: ignore[arg-type]


async def suggest(pipe: Pipeline, marked: str, **fields: object) -> Suggestion:
    answer = await ask(pipe, marked, **fields)
    assert answer.suggestion is not None, answer.reason
    return answer.suggestion


async def until(condition: Callable[[], object]) -> None:
    """Let the other tasks run until the condition holds."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came true")


class TestAsking:
    async def test_a_suggestion_says_all_that_the_editor_needs(self) -> None:
        suggestion = await suggest(pipeline(FakeBackend("sum(items)")), CODE)
        _, offset = split(CODE)
        assert suggestion.text == "sum(items)"
        assert (suggestion.offset, suggestion.end) == (offset, offset)
        assert (suggestion.source, suggestion.language, suggestion.model) == (Source.ENGINE, "python", "fake")
        assert 0.5 < suggestion.confidence < 1
        assert len(suggestion.id) == 32

    async def test_the_backend_gets_windows_and_the_setting_for_length(self) -> None:
        backend = FakeBackend("x")
        await ask(pipeline(backend, Settings(max_tokens=17)), CODE)
        [asked] = backend.asked
        assert (asked.context.prefix, asked.context.suffix) == ("def total(items):\n    return ", "\n")
        assert asked.context.path == "src/shop.py"
        assert (asked.sampling.max_tokens, asked.priority) == (17, Priority.REQUEST)
        assert not asked.context.multiline

    async def test_a_single_line_stops_the_backend_at_the_line_break(self) -> None:
        backend = FakeBackend(["sum(items)", "\n", "\nprint", "never asked for"])
        suggestion = await suggest(pipeline(backend), CODE)
        assert suggestion.text == "sum(items)"
        assert backend.asked[0].stop.is_set()

    async def test_more_lines_stop_the_backend_at_the_end_of_the_scope(self) -> None:
        backend = FakeBackend("\n    result = 0\n    return result\n\n\ndef other():\n    pass")
        suggestion = await suggest(pipeline(backend), "def total(items):‸\n")
        assert suggestion.text == "\n    result = 0\n    return result"
        assert backend.asked[0].context.multiline
        assert backend.asked[0].stop.is_set()

    async def test_more_lines_only_if_the_settings_allow(self) -> None:
        backend = FakeBackend("\n    return 0")
        answer = await ask(pipeline(backend, Settings(multi_line="never")), "def total(items):‸\n")
        assert (answer.suggestion, answer.reason) == (None, "empty")

    async def test_a_line_cut_off_by_the_length_is_left_out_of_a_block(self) -> None:
        backend = FakeBackend("\n    a = 1\n    b = compute_a_very")
        original = backend.stream

        async def cut(*args, **kwargs):  # type: ignore[no-untyped-def]
            async for piece in original(*args, **kwargs):
                yield replace(piece, finish="length") if piece.finish else piece

        backend.stream = cut  # type: ignore[method-assign]
        assert (await suggest(pipeline(backend), "def total(items):‸\n")).text == "\n    a = 1"

    async def test_a_repeated_closing_bracket_is_replaced(self) -> None:
        suggestion = await suggest(pipeline(FakeBackend("items)")), "total = compute(‸)\n")
        assert (suggestion.text, suggestion.end - suggestion.offset) == ("items)", 1)

    async def test_reasons_for_silence(self) -> None:
        assert (await ask(pipeline(FakeBackend("")), CODE)).reason == "empty"
        assert (await ask(pipeline(FakeBackend("  ")), CODE)).reason == "filtered:whitespace_only"
        assert (await ask(pipeline(FakeBackend("x")), "total = comp‸ute(items)\n")).reason == "trigger:mid_word"
        assert (await ask(pipeline(FakeBackend("x"), Settings(enabled=False)), CODE)).reason == "off"
        assert (await ask(pipeline(FakeBackend("x"), Settings(disabled_languages=("python",))), CODE)).reason == "off"

    async def test_the_time_is_booked_to_its_stages(self) -> None:
        time = Time()
        backend = FakeBackend("x")
        backend.idle = False
        answer = await ask(pipeline(backend, time=time), CODE)
        assert answer.latency_ms == sum(answer.stages.values()) == 75
        assert answer.stages == {"lookup": 0, "debounce": 75, "context": 0, "generate": 0}
        assert answer.suggestion is not None
        assert answer.suggestion.latency_ms == 75


class TestKnownAlready:
    async def test_typed_through_is_served_without_the_backend(self) -> None:
        backend = FakeBackend("sum(items)")
        pipe = pipeline(backend)
        first = await suggest(pipe, CODE)
        for count in range(1, len("sum(items)")):
            rest = await suggest(pipe, typed(CODE, "sum(items)"[:count]))
            assert rest.text == "sum(items)"[count:]
            assert (rest.id, rest.source) == (first.id, Source.TYPED_THROUGH)
            assert rest.offset == rest.end == first.offset + count
        assert len(backend.asked) == 1

    async def test_typed_through_where_the_editor_closes_brackets(self) -> None:
        pipe = pipeline(FakeBackend("sum(items)"))
        first = await suggest(pipe, CODE)
        rest = await suggest(pipe, "def total(items):\n    return sum(‸)\n")
        assert (rest.id, rest.text, rest.end - rest.offset) == (first.id, "items)", 1)

    async def test_the_same_request_again_is_the_same_suggestion(self) -> None:
        backend = FakeBackend("sum(items)", "other")
        pipe = pipeline(backend)
        first = await suggest(pipe, CODE)
        again = await suggest(pipe, CODE)
        assert (again.id, again.text, again.source) == (first.id, first.text, Source.CACHE)
        assert len(backend.asked) == 1

    async def test_nothing_known_waits_for_the_debounce(self) -> None:
        time, backend = Time(), FakeBackend("sum(items)")
        pipe = pipeline(backend, time=time)
        await suggest(pipe, CODE)
        backend.idle = False
        await suggest(pipe, CODE)
        await suggest(pipe, typed(CODE, "su"))
        assert time.slept == []

    async def test_a_suggestion_given_is_never_silenced_by_a_trigger_rule(self) -> None:
        backend = FakeBackend("a; b")
        pipe = pipeline(backend)
        first = await suggest(pipe, "function total() { return ‸\n", language="typescript")
        rest = await suggest(pipe, "function total() { return a;‸\n", language="typescript")
        assert (rest.id, rest.text) == (first.id, " b")

    async def test_text_that_goes_another_way_is_asked_anew(self) -> None:
        backend = FakeBackend("sum(items)", "max(items)")
        pipe = pipeline(backend)
        first = await suggest(pipe, CODE)
        other = await suggest(pipe, typed(CODE, "x"))
        assert other.text == "max(items)"
        assert other.id != first.id
        # Drawn again, the old text is a new suggestion: its first life ended when typing went another way.
        pipe.dismissed(other.id)
        again = await suggest(pipe, CODE)
        assert (again.text, again.source) == (first.text, Source.CACHE)
        assert again.id != first.id

    async def test_after_all_of_it_is_typed_the_next_is_asked_for(self) -> None:
        backend = FakeBackend("sum(items)", " + 1")
        pipe = pipeline(backend)
        await suggest(pipe, CODE)
        assert (await suggest(pipe, typed(CODE, "sum(items)"))).text == " + 1"

    async def test_silence_is_known_too(self) -> None:
        backend = FakeBackend("", "x")
        pipe = pipeline(backend)
        assert (await ask(pipe, CODE)).reason == "empty"
        assert (await ask(pipe, CODE)).reason == "empty"
        assert len(backend.asked) == 1

    async def test_other_files_and_models_know_nothing_of_it(self) -> None:
        backend, other = FakeBackend("a", "b"), FakeBackend("c", model="tuned")
        pipe = pipeline(backend)
        assert (await suggest(pipe, CODE)).text == "a"
        assert (await suggest(pipe, CODE, uri="file:///other.py")).text == "b"
        pipe.swap(other)
        pipe.closed("file:///shop.py")
        assert (await suggest(pipe, CODE)).text == "c"

    async def test_new_settings_start_afresh(self) -> None:
        backend = FakeBackend("a", "b")
        pipe = pipeline(backend)
        await suggest(pipe, CODE)
        pipe.configure(SETTINGS)
        assert (await suggest(pipe, CODE)).text == "a"
        pipe.configure(Settings(max_tokens=8))
        assert (await suggest(pipe, CODE)).text == "b"


class TestUnwanted:
    async def test_deleting_text_before_a_suggestion_forgets_it(self) -> None:
        backend = FakeBackend("items", "", "total")
        pipe = pipeline(backend)
        first = await suggest(pipe, typed(CODE, "sum("))
        await ask(pipe, typed(CODE, "sum"))
        again = await suggest(pipe, typed(CODE, "sum("))
        assert again.text == "total"
        assert again.id != first.id

    async def test_a_dismissed_one_is_forgotten(self) -> None:
        pipe = pipeline(FakeBackend("a", "b"))
        first = await suggest(pipe, CODE)
        pipe.dismissed(first.id)
        assert (await suggest(pipe, CODE)).text == "b"

    async def test_an_accepted_one_is_not_offered_again(self) -> None:
        pipe = pipeline(FakeBackend("a", "b"))
        first = await suggest(pipe, CODE)
        pipe.accepted(first.id)
        assert (await suggest(pipe, CODE)).text == "b"

    async def test_an_id_nobody_knows_is_no_harm(self) -> None:
        pipe = pipeline(FakeBackend("a"))
        pipe.accepted("nobody")
        pipe.dismissed("nobody")
        await pipe.shown("nobody")
        assert (await suggest(pipe, CODE)).text == "a"


class TestInvoked:
    async def test_there_is_no_debounce_and_no_trigger_rule(self) -> None:
        time, backend = Time(), FakeBackend("items")
        backend.idle = False
        pipe = pipeline(backend, time=time)
        suggestion = await suggest(pipe, "total = comp(‸a, b)\n", trigger=Trigger.INVOKED)
        assert suggestion.text == "items"
        assert time.slept == []

    async def test_a_matter_of_taste_is_shown(self) -> None:
        pipe = pipeline(FakeBackend("return x", "return x"))
        code = "def f(x):\n    ‸\n    return x\n"
        assert (await ask(pipe, code)).reason == "filtered:duplicate_lines"
        assert (await suggest(pipe, code, trigger=Trigger.INVOKED)).text == "return x"

    async def test_the_backend_must_answer_it_and_may_be_silent_to_all_others(self) -> None:
        backend = FakeBackend("", "sum(items)", "", "")
        pipe = pipeline(backend)
        await ask(pipe, CODE)
        first = await suggest(pipe, CODE, trigger=Trigger.INVOKED)
        await pipe.shown(first.id)
        await until(lambda: not pipe._speculations)
        openings = [asked.sampling.opening for asked in backend.asked]
        assert openings == [None, Opening.VISIBLE, None, None]

    async def test_what_it_was_given_is_given_to_an_automatic_request_too_until_it_is_dismissed(self) -> None:
        backend = FakeBackend("", "sum(items)", "")
        pipe = pipeline(backend)
        assert (await ask(pipe, CODE)).reason == "empty"
        first = await suggest(pipe, CODE, trigger=Trigger.INVOKED)
        again = await suggest(pipe, CODE)
        rest = await suggest(pipe, typed(CODE, "su"))
        assert (again.id, rest.id, rest.text) == (first.id, first.id, "m(items)")
        pipe.dismissed(first.id)
        assert (await ask(pipe, CODE)).reason == "empty"

    async def test_an_automatic_flights_end_of_text_is_not_its_answer(self) -> None:
        gate = asyncio.Event()
        backend = FakeBackend([gate], "sum(items)")
        pipe = pipeline(backend)
        automatic = asyncio.ensure_future(ask(pipe, CODE))
        await backend.called.wait()
        invoked = asyncio.ensure_future(ask(pipe, CODE, trigger=Trigger.INVOKED))
        assert (await automatic).reason == "superseded"
        gate.set()
        answer = await invoked
        assert answer.suggestion is not None
        assert [asked.sampling.opening for asked in backend.asked] == [None, Opening.VISIBLE]

    async def test_silence_known_from_an_automatic_request_is_asked_again(self) -> None:
        backend = FakeBackend("", "sum(items)")
        pipe = pipeline(backend)
        await ask(pipe, CODE)
        assert (await suggest(pipe, CODE, trigger=Trigger.INVOKED)).text == "sum(items)"

    async def test_it_does_not_put_up_with_an_automatic_flights_silence(self) -> None:
        gate = asyncio.Event()
        backend = FakeBackend([gate, "return x"], "return x")
        pipe = pipeline(backend)
        code = "def f(x):\n    ‸\n    return x\n"
        automatic = asyncio.ensure_future(ask(pipe, code))
        await backend.called.wait()
        invoked = asyncio.ensure_future(ask(pipe, code, trigger=Trigger.INVOKED))
        assert (await automatic).reason == "superseded"
        gate.set()
        answer = await invoked
        assert answer.suggestion is not None
        assert answer.suggestion.text == "return x"


class TestDebounce:
    async def test_a_busy_backend_is_asked_after_the_wait(self) -> None:
        time, backend = Time(), FakeBackend("x")
        backend.idle = False
        await ask(pipeline(backend, Settings(debounce="fixed", debounce_ms=40), time=time), CODE)
        assert time.slept == [40]

    async def test_a_newer_key_within_the_wait_spares_the_backend(self) -> None:
        gate = asyncio.Event()

        async def sleep(_: float) -> None:
            await gate.wait()

        backend = FakeBackend("x")
        backend.idle = False
        pipe = Pipeline(backend, SETTINGS, clock=Time(), sleep=sleep)
        older = asyncio.ensure_future(ask(pipe, CODE))
        await asyncio.sleep(0)
        newer = asyncio.ensure_future(ask(pipe, typed(CODE, "s")))
        assert (await older).reason == "superseded"
        assert backend.asked == []
        gate.set()
        assert (await newer).suggestion is not None
        assert len(backend.asked) == 1


class TestInFlight:
    async def start(self, backend: FakeBackend, pipe: Pipeline, marked: str) -> asyncio.Task[Answer]:
        backend.called.clear()
        task = asyncio.ensure_future(ask(pipe, marked))
        await backend.called.wait()
        return task

    async def test_the_same_request_joins(self) -> None:
        gate = asyncio.Event()
        backend = FakeBackend([gate, "sum(items)"])
        pipe = pipeline(backend)
        older = await self.start(backend, pipe, CODE)
        newer = asyncio.ensure_future(ask(pipe, CODE))
        assert (await older).reason == "superseded"
        gate.set()
        answer = await newer
        assert answer.suggestion is not None
        assert (answer.suggestion.text, answer.suggestion.source) == ("sum(items)", Source.JOINED)
        assert len(backend.asked) == 1

    async def test_a_key_that_agrees_with_the_text_so_far_joins(self) -> None:
        gate = asyncio.Event()
        backend = FakeBackend(["su", gate, "m(items)"])
        pipe = pipeline(backend)
        older = await self.start(backend, pipe, CODE)
        await until(lambda: pipe._flights and next(iter(pipe._flights.values())).text == "su")
        newer = asyncio.ensure_future(ask(pipe, typed(CODE, "sum")))
        assert (await older).reason == "superseded"
        gate.set()
        answer = await newer
        assert answer.suggestion is not None
        assert answer.suggestion.text == "(items)"
        assert len(backend.asked) == 1

    async def test_a_key_that_does_not_agree_stops_it(self) -> None:
        backend = FakeBackend(["su", HANG], "max(items)")
        pipe = pipeline(backend)
        older = await self.start(backend, pipe, CODE)
        await until(lambda: next(iter(pipe._flights.values())).text == "su")
        assert (await suggest(pipe, typed(CODE, "x"))).text == "max(items)"
        assert (await older).reason == "superseded"
        assert backend.asked[0].stop.is_set()

    async def test_a_flight_that_turns_out_to_say_something_else_is_given_up(self) -> None:
        gate = asyncio.Event()
        backend = FakeBackend([gate, "sum", HANG], "max(items)")
        pipe = pipeline(backend)
        older = await self.start(backend, pipe, CODE)
        newer = asyncio.ensure_future(ask(pipe, typed(CODE, "x")))
        assert (await older).reason == "superseded"
        gate.set()
        answer = await newer
        assert answer.suggestion is not None
        assert answer.suggestion.text == "max(items)"
        assert backend.asked[0].stop.is_set()

    async def test_a_known_answer_supersedes_as_well(self) -> None:
        backend = FakeBackend("sum(items)", [HANG])
        pipe = pipeline(backend)
        await suggest(pipe, CODE)
        other = await self.start(backend, pipe, CODE + "\n# changed")
        assert (await suggest(pipe, CODE)).text == "sum(items)"
        assert (await other).reason == "superseded"
        await until(lambda: backend.asked[1].stop.is_set())

    async def test_another_document_is_left_alone(self) -> None:
        gate = asyncio.Event()
        backend = FakeBackend([gate, "a"], "b")
        pipe = pipeline(backend)
        first = await self.start(backend, pipe, CODE)
        assert (await suggest(pipe, CODE, uri="file:///other.py")).text == "b"
        gate.set()
        answer = await first
        assert answer.suggestion is not None


class TestTrouble:
    @pytest.mark.parametrize(
        ("error", "message"),
        [
            (EngineError("out of memory: close other programs"), "out of memory: close other programs"),
            (BackendError("the service refused the key"), "the service refused the key"),
            (RuntimeError("boom"), "RuntimeError: boom"),
        ],
    )
    async def test_a_failure_is_answered_and_kept_for_the_status(self, error: Exception, message: str) -> None:
        backend = FakeBackend(error, "sum(items)")
        pipe = pipeline(backend)
        assert (await ask(pipe, CODE)).reason == "failed"
        assert pipe.last_error == message
        # It is not remembered as an answer.
        assert (await suggest(pipe, CODE)).text == "sum(items)"
        assert pipe.last_error == ""

    async def test_a_failure_in_the_midst_gives_nothing(self) -> None:
        backend = FakeBackend(["sum(", EngineError("the engine crashed")])
        pipe = pipeline(backend)
        assert (await ask(pipe, CODE)).reason == "failed"

    async def test_a_backend_that_was_stopped_is_answered_as_cancelled(self) -> None:
        pipe = pipeline(FakeBackend(Cancelled()))
        assert (await ask(pipe, CODE)).reason == "cancelled"
        assert pipe.last_error == ""

    async def test_a_backend_that_hangs_is_given_up(self) -> None:
        backend = FakeBackend(["su", HANG])
        pipe = Pipeline(backend, SETTINGS, patience_ms=0)
        answer = await ask(pipe, CODE)
        assert answer.reason == "failed"
        assert "no answer within" in pipe.last_error
        await until(lambda: not backend.asked or backend.asked[0].stop.is_set())

    async def test_a_newer_request_does_not_wait_for_one_that_hangs(self) -> None:
        backend = FakeBackend([HANG], "max")
        pipe = pipeline(backend)
        older = asyncio.ensure_future(ask(pipe, CODE))
        await backend.called.wait()
        assert (await suggest(pipe, "def other(items):\n    return ‸\n")).text == "max"
        assert (await older).reason == "superseded"

    async def test_a_cancelled_request_stops_the_backend_at_once(self) -> None:
        backend = FakeBackend([HANG])
        pipe = pipeline(backend)
        task = asyncio.ensure_future(ask(pipe, CODE))
        await backend.called.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert backend.asked[0].stop.is_set()

    async def test_a_request_cancelled_before_it_began_leaves_nothing_behind(self) -> None:
        backend = FakeBackend("x")
        pipe = pipeline(backend)
        task = asyncio.ensure_future(ask(pipe, CODE))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await suggest(pipe, CODE)).text == "x"

    async def test_an_answer_is_given_even_to_nonsense(self) -> None:
        answer = await pipeline(FakeBackend()).complete(CompletionRequest(document("a"), -5, Trigger.INVOKED))
        assert answer.suggestion is None

    async def test_closing_answers_who_waits(self) -> None:
        backend = FakeBackend([HANG])
        pipe = pipeline(backend)
        task = asyncio.ensure_future(ask(pipe, CODE))
        await backend.called.wait()
        pipe.close()
        assert (await task).reason == "superseded"
        assert backend.asked[0].stop.is_set()


class TestSwap:
    async def test_a_request_under_way_is_asked_of_the_new_backend(self) -> None:
        old, new = FakeBackend([HANG]), FakeBackend("tuned answer", model="tuned")
        pipe = pipeline(old)
        task = asyncio.ensure_future(ask(pipe, CODE))
        await old.called.wait()
        pipe.swap(new)
        answer = await task
        assert answer.suggestion is not None
        assert (answer.suggestion.text, answer.suggestion.model) == ("tuned answer", "tuned")
        assert old.asked[0].stop.is_set()


class TestSpeculation:
    async def test_what_follows_an_acceptance_is_prepared_at_low_priority(self) -> None:
        backend = FakeBackend("sum(items)", " + tax")
        pipe = pipeline(backend)
        first = await suggest(pipe, CODE)
        await pipe.shown(first.id)
        await until(lambda: not pipe._speculations)
        assert [asked.priority for asked in backend.asked] == [Priority.REQUEST, Priority.SPECULATE]
        pipe.accepted(first.id)
        following = await suggest(pipe, typed(CODE, "sum(items)"))
        assert (following.text, following.source) == (" + tax", Source.CACHE)
        assert len(backend.asked) == 2

    async def test_when_the_line_is_complete_the_next_line_is_prepared(self) -> None:
        backend = FakeBackend("sum(items)", "", "print(total)")
        pipe = pipeline(backend)
        code = "def show(items):\n    total = ‸\n"
        first = await suggest(pipe, code)
        await pipe.shown(first.id)
        await until(lambda: not pipe._speculations)
        assert (await ask(pipe, typed(code, "sum(items)"))).reason == "empty"
        following = await suggest(pipe, typed(code, "sum(items)\n    "))
        assert (following.text, following.source) == ("print(total)", Source.CACHE)
        assert len(backend.asked) == 3

    async def test_brackets_that_acceptance_replaces_are_gone(self) -> None:
        backend = FakeBackend("items)", " + 1")
        pipe = pipeline(backend)
        first = await suggest(pipe, "total = compute(‸)\n")
        await pipe.shown(first.id)
        await until(lambda: not pipe._speculations)
        assert backend.asked[1].context.prefix == "total = compute(items)"
        assert backend.asked[1].context.suffix == "\n"

    async def test_shown_twice_is_prepared_once(self) -> None:
        backend = FakeBackend("sum(items)", " + tax")
        pipe = pipeline(backend)
        first = await suggest(pipe, CODE)
        await pipe.shown(first.id)
        await pipe.shown(first.id)
        await until(lambda: not pipe._speculations)
        await suggest(pipe, typed(CODE, "su"))
        await pipe.shown(first.id)
        await until(lambda: not pipe._speculations)
        assert len(backend.asked) == 2

    async def test_a_request_does_not_wait_for_it(self) -> None:
        backend = FakeBackend("sum(items)", [HANG], "max(items)")
        pipe = pipeline(backend)
        first = await suggest(pipe, CODE)
        await pipe.shown(first.id)
        await until(lambda: len(backend.asked) == 2)
        assert (await suggest(pipe, typed(CODE, "x"))).text == "max(items)"
        assert backend.asked[1].stop.is_set()

    async def test_typing_through_lets_it_go_on_and_the_accepted_request_joins_it(self) -> None:
        gate = asyncio.Event()
        backend = FakeBackend("sum(items)", [gate, " + tax"])
        pipe = pipeline(backend)
        first = await suggest(pipe, CODE)
        await pipe.shown(first.id)
        await until(lambda: len(backend.asked) == 2)
        await suggest(pipe, typed(CODE, "sum"))
        task = asyncio.ensure_future(ask(pipe, typed(CODE, "sum(items)")))
        await asyncio.sleep(0)
        gate.set()
        answer = await task
        assert answer.suggestion is not None
        assert (answer.suggestion.text, answer.suggestion.source) == (" + tax", Source.JOINED)

    async def test_its_failure_is_nobodys_answer(self) -> None:
        backend = FakeBackend("sum(items)", EngineError("crashed"), " + 1")
        pipe = pipeline(backend)
        first = await suggest(pipe, CODE)
        await pipe.shown(first.id)
        await until(lambda: not pipe._speculations)
        assert (await suggest(pipe, typed(CODE, "sum(items)"))).text == " + 1"

    async def test_it_can_be_switched_off(self) -> None:
        backend = FakeBackend("sum(items)")
        pipe = pipeline(backend, Settings(speculate=False))
        await pipe.shown((await suggest(pipe, CODE)).id)
        await asyncio.sleep(0)
        assert len(backend.asked) == 1


class TestPopup:
    async def test_the_selected_item_is_taken_as_inserted(self) -> None:
        backend = FakeBackend("(items)")
        text, offset = split("total = compute\nresult = com‸\n")
        request = CompletionRequest(document(text), offset, selected="compute_total", selected_start=offset - 3)
        answer = await pipeline(backend).complete(request)
        assert backend.asked[0].context.prefix.endswith("result = compute_total")
        assert answer.suggestion is not None
        assert answer.suggestion.text == "compute_total(items)"
        assert (answer.suggestion.offset, answer.suggestion.end) == (offset - 3, offset)

    async def test_inserting_it_is_typing_through(self) -> None:
        backend = FakeBackend("(items)")
        pipe = pipeline(backend)
        text, offset = split("total = compute\nresult = com‸\n")
        request = CompletionRequest(document(text), offset, selected="compute", selected_start=offset - 3)
        first = await pipe.complete(request)
        rest = await suggest(pipe, "total = compute\nresult = compute(‸)\n")
        assert first.suggestion is not None
        assert (rest.id, rest.text) == (first.suggestion.id, "items)")
        assert len(backend.asked) == 1


class TestWarm:
    async def test_the_backend_reads_the_very_window_it_is_asked_with_next(self) -> None:
        backend = FakeBackend("x")
        pipe = pipeline(backend)
        text, offset = split(CODE)
        await pipe.warm(document(text), offset)
        await ask(pipe, CODE)
        assert backend.warmed == [backend.asked[0].context]

    async def test_not_where_it_is_switched_off(self) -> None:
        backend = FakeBackend()
        await pipeline(backend, Settings(enabled=False)).warm(document("x"), 1)
        assert backend.warmed == []


class TestClosed:
    async def test_a_closed_document_is_forgotten_and_its_request_answered(self) -> None:
        backend = FakeBackend("a", [HANG], "b")
        pipe = pipeline(backend)
        await suggest(pipe, CODE)
        task = asyncio.ensure_future(ask(pipe, "x = compute(‸)\n"))
        await until(lambda: len(backend.asked) == 2)
        pipe.closed("file:///shop.py")
        assert (await task).reason == "superseded"
        assert backend.asked[1].stop.is_set()
        assert (await suggest(pipe, CODE)).text == "b"
