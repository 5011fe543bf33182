"""Streams of JSON, cut into chunks anywhere."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codecompose_ls.backends import events as module
from codecompose_ls.backends.events import ENDED, complaint, dig, events, number_at, parsed, text_at
from codecompose_ls.errors import BackendError


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def read(*parts: bytes) -> list[Any]:
    return [event async for event in events(chunks(*parts))]


A, B = {"text": "größer 🙂"}, {"text": "\u2028"}
SSE_A = f"data: {json.dumps(A, ensure_ascii=False)}".encode()
SSE_B = f"data:{json.dumps(B, ensure_ascii=False)}".encode()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
async def test_server_sent_events_with_any_line_ends(end: bytes) -> None:
    body = end.join([b": a comment", b"event: message", b"id: 1", SSE_A, b"", SSE_B, b"", b"data: [DONE]", b"", b"x"])
    assert await read(body) == [A, B, ENDED]


async def test_data_over_several_lines_is_one_event() -> None:
    assert await read(b'data: {"a":\ndata: 1}\n\n') == [{"a": 1}]


async def test_lines_of_json() -> None:
    assert await read(b'{"a": 1}\n{"b": 2}\r\n\n{"c": 3}') == [{"a": 1}, {"b": 2}, {"c": 3}]


async def test_a_last_event_without_a_line_break() -> None:
    assert await read(SSE_A + b"\n\n" + SSE_B) == [A, B]
    assert await read(SSE_A + b"\n\ndata: [DONE]") == [A, ENDED]


async def test_nothing_is_read_behind_the_end() -> None:
    assert await read(b"data: [DONE]\n\n" + SSE_A + b"\n\n") == [ENDED]


@settings(max_examples=40)
@given(st.lists(st.integers(0, 200), max_size=12), st.sampled_from([b"\n", b"\r\n", b"\r"]))
async def test_a_chunk_may_end_anywhere(cuts: list[int], end: bytes) -> None:
    body = end.join([SSE_A, b"", SSE_B, b"", b"data: [DONE]", b"", b""])
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    parts = [body[start:stop] for start, stop in pairwise(places)]
    assert await read(*parts) == [A, B, ENDED]


async def test_a_broken_character_costs_only_itself() -> None:
    assert await read(b'data: {"a": "\xff"}\n\n') == [{"a": "\ufffd"}]


@pytest.mark.parametrize("body", [b"data: nonsense\n\n", b"data: [1]\n\n", b"{broken\n", b'{"a":' * 100_000 + b"\n"])
async def test_nonsense_is_an_error_that_quotes_nothing(body: bytes) -> None:
    with pytest.raises(BackendError, match="nonsense: what it sends is not"):
        await read(body)


async def test_endless_lines_and_endless_answers_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINE_BYTES", 100)
    monkeypatch.setattr(module, "ANSWER_BYTES", 1000)
    for body in ([b"x" * 60] * 2, [b"\n" * 101] * 10):
        with pytest.raises(BackendError, match="more than an answer can be"):
            await read(*body)
    assert await read(*[b": ping\n" * 10] * 10) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"error": "model 'x' not found"}, "model 'x' not found"),
        ({"error": {"code": 500, "message": "out of memory"}}, "out of memory"),
        ({"error": {"code": 500}}, "an error"),
        ({"object": "error", "message": "too long"}, "too long"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"detail": [{"loc": ["body", "n"], "msg": "must be 1", "input": "secret code"}]}, "n: must be 1"),
        ({"choices": [], "error": None}, ""),
        ({}, ""),
    ],
)
def test_what_a_server_complains_of(value: Any, message: str) -> None:
    assert complaint(value) == message


def test_an_answer_of_another_shape_has_nothing_at_a_path() -> None:
    assert dig({"choices": []}, "choices", 0, "text") is None
    assert dig({"choices": {"0": "x"}}, "choices", 0) is None
    assert text_at({"choices": [{"text": 7}]}, "choices", 0, "text") == ""


@pytest.mark.parametrize("number", ["1" + "0" * 400, "-1" + "0" * 400, "1e999", "NaN", "-Infinity", "true", "[1]"])
def test_a_number_that_nobody_can_reckon_with_is_none(number: str) -> None:
    assert number_at(parsed(f'{{"logprob": {number}}}'), "logprob") == 0.0
