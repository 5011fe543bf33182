"""POST /v1/completions, as the clients of OpenAI's API write and read it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from codecompose_ls.backends.local import LocalBackend
from codecompose_ls.errors import EngineError
from codecompose_ls.types import Context, Opening, Piece, Prompt, Sampling
from tests.unit.service.conftest import Script

Ask = Callable[[Script], httpx.Client]


def events(response: httpx.Response) -> list[Any]:
    """Read server-sent events as the openai client does."""
    assert response.headers["content-type"].startswith("text/event-stream")
    blocks = response.text.split("\n\n")
    assert blocks.pop() == ""
    assert all(block.startswith("data: ") for block in blocks)
    return [block[6:] if block == "data: [DONE]" else json.loads(block[6:]) for block in blocks]


def locally(tiny: Path, make: Callable[[LocalBackend], Prompt], sampling: Sampling) -> list[Piece]:
    """Return what the engine says without a service."""
    backend = LocalBackend(tiny)

    async def answer() -> list[Piece]:
        return [piece async for piece in backend.answer(make(backend), sampling, stop=threading.Event())]

    try:
        return asyncio.run(answer())
    finally:
        backend.close()


def test_the_middle_between_prompt_and_suffix(client: httpx.Client, tiny: Path) -> None:
    body = {"model": "tiny", "prompt": "def f(", "suffix": "\n\nf()\n", "max_tokens": 8, "temperature": 0}
    answer = client.post("/v1/completions", json=body).json()
    context = Context("", "", "def f(", "\n\nf()\n")
    pieces = locally(tiny, lambda backend: backend.prompt(context), Sampling(max_tokens=8))
    (choice,) = answer["choices"]
    expected = {
        "index": 0,
        "text": "".join(piece.text for piece in pieces),
        "logprobs": None,
        "finish_reason": "length",
    }
    assert choice == expected
    assert answer["object"] == "text_completion" and answer["model"] == "tiny" and answer["id"].startswith("cmpl-")
    asked = answer["usage"]["prompt_tokens"]
    assert answer["usage"] == {"prompt_tokens": asked, "completion_tokens": 8, "total_tokens": asked + 8}


def test_the_template_is_applied_by_the_service_alone_or_by_the_client_alone(client: httpx.Client) -> None:
    by_service = {"prompt": "def f(", "suffix": "\n\nf()\n"}
    by_client = {"prompt": "<|fim_prefix|><|fim_suffix|>\n\nf()\n<|fim_middle|>def f("}
    as_text = {"prompt": "def f(", "suffix": "<|fim_middle|>"}
    common = {"model": "tiny", "max_tokens": 8, "temperature": 0}
    one, other, text = (
        client.post("/v1/completions", json={**common, **body}).json() for body in (by_service, by_client, as_text)
    )
    assert one["choices"] == other["choices"] and one["usage"] == other["usage"]
    # What a user has written stays text: far more tokens than one.
    assert text["usage"]["prompt_tokens"] > 3 + 3 + 5


def test_metadata_reaches_the_header(ask: Ask) -> None:
    script = Script("a")
    body = {"model": "script", "prompt": "p", "suffix": "s", "language": "python", "path": "src/app.py"}
    ask(script).post("/v1/completions", json=body).raise_for_status()
    assert script.prompts == ["FIM python src/app.py p|s"]


def test_an_answer_that_must_say_something_says_it(ask: Ask, client: httpx.Client) -> None:
    script = Script("a")
    body = {"prompt": "p", "suffix": "s", "opening": "visible", "temperature": 0}
    ask(script).post("/v1/completions", json={"model": "script", **body}).raise_for_status()
    assert script.samplings[0].opening is Opening.VISIBLE
    answer = client.post("/v1/completions", json={"model": "tiny", **body, "max_tokens": 3, "seed": 0}).json()
    assert answer["choices"][0]["text"].strip()


def test_a_suffix_that_is_empty_still_asks_for_the_middle(ask: Ask) -> None:
    script = Script("a")
    client = ask(script)
    for suffix in ("", None):
        client.post("/v1/completions", json={"model": "script", "prompt": ["p"], "suffix": suffix}).raise_for_status()
    assert script.prompts == ["FIM   p|", "TEXT p"]


def test_streamed_and_whole_say_the_same(client: httpx.Client) -> None:
    body = {"model": "tiny", "prompt": "class A", "max_tokens": 20, "temperature": 0.9, "seed": 5, "logprobs": 1}
    whole = client.post("/v1/completions", json=body).json()
    options = {"stream": True, "stream_options": {"include_usage": True}}
    *chunks, usage, done = events(client.post("/v1/completions", json={**body, **options}))
    choices = [chunk["choices"][0] for chunk in chunks]
    assert "".join(choice["text"] for choice in choices) == whole["choices"][0]["text"]
    tokens = [token for choice in choices for token in choice["logprobs"]["tokens"]]
    assert tokens == whole["choices"][0]["logprobs"]["tokens"] and len(tokens) == 20
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["length"]
    assert {chunk["id"] for chunk in chunks} == {usage["id"]} and usage["choices"] == []
    assert (usage["usage"], done) == (whole["usage"], "[DONE]")


def test_a_seed_makes_answers_alike_and_without_one_they_need_not_be(ask: Ask) -> None:
    script = Script("a")
    client = ask(script)
    for seed in (3, 3, None, None):
        client.post("/v1/completions", json={"model": "script", "prompt": "p", "seed": seed}).raise_for_status()
    one, other, third, fourth = (sampling.seed for sampling in script.samplings)
    assert one == other == 3 and third != fourth
    assert script.samplings[0] == Sampling(max_tokens=16, temperature=1.0, top_p=1.0, seed=3)


def test_an_answer_ends_before_a_stop_string_that_comes_in_pieces(ask: Ask) -> None:
    script = Script("ab", "c\n", "\nd", "ef")
    body = {"model": "script", "prompt": "p", "stop": ["\n\n", "zz"]}
    client = ask(script)
    choice = client.post("/v1/completions", json=body).json()["choices"][0]
    assert (choice["text"], choice["finish_reason"]) == ("abc", "stop")
    *chunks, _ = events(client.post("/v1/completions", json={**body, "stream": True}))
    assert [chunk["choices"][0]["text"] for chunk in chunks] == ["ab", "c", ""]
    assert script.ended.is_set()


def test_more_text_than_the_model_reads_is_cut_at_its_far_ends(client: httpx.Client, ask: Ask) -> None:
    script = Script("a", capacity=9000)
    body = {"prompt": "p" * 5000 + "!", "suffix": "?" + "s" * 5000}
    ask(script).post("/v1/completions", json={"model": "script", **body}).raise_for_status()
    assert script.prompts == ["FIM   " + "p" * 999 + "!|?" + "s" * 999]
    answer = client.post("/v1/completions", json={"model": "tiny", **body, "max_tokens": 4, "seed": 0}).json()
    assert answer["usage"]["completion_tokens"] == 4


def test_a_prompt_that_is_too_long_is_refused(client: httpx.Client) -> None:
    response = client.post("/v1/completions", json={"model": "tiny", "prompt": "x = 1\n" * 500})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"


def test_an_error_before_the_first_token_has_a_status_and_a_later_one_an_event(ask: Ask) -> None:
    body = {"model": "script", "prompt": "p", "stream": True}
    early = ask(Failing(EngineError("the engine failed"))).post("/v1/completions", json=body)
    message = {"message": "the engine failed", "type": "server_error", "param": None, "code": None}
    assert (early.status_code, early.json()) == (500, {"error": message})
    first, second = events(ask(Script("a", error=EngineError("the engine failed"))).post("/v1/completions", json=body))
    assert first["choices"][0]["text"] == "a"
    assert second == {"error": message}


class Failing(Script):
    """Fails before it says anything."""

    def __init__(self, error: Exception) -> None:
        super().__init__("a")
        self.failure = error

    def written(self, text: str) -> Prompt:
        raise self.failure


def test_a_failure_nobody_foresaw_tells_neither_client_nor_log_what_was_asked(
    ask: Ask, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    body = {"model": "script", "prompt": "secret = 1"}
    response = ask(Failing(ValueError("secret = 1"))).post("/v1/completions", json=body)
    assert response.status_code == 500
    assert "secret" not in response.text + caplog.text + "".join(capfd.readouterr())
    assert "ValueError" in caplog.text


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"best_of": 3}, "best_of"),
        ({"echo": True}, "echo"),
        ({"logprobs": 5}, "logprobs"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"seed": -1}, "seed"),
        ({"stop": [""]}, "stop"),
        ({"stop": ["a"] * 9}, "stop"),
        ({"presence_penalty": 1}, "presence_penalty"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"model": None}, "model"),
        ({"opening": "loud"}, "opening"),
    ],
)
def test_what_is_not_served_is_refused_by_name(client: httpx.Client, fields: dict[str, Any], param: str) -> None:
    response = client.post("/v1/completions", json={"model": "tiny", "prompt": "SECRET", **fields})
    error = response.json()["error"]
    assert response.status_code == 400
    assert error["type"] == "invalid_request_error" and error["param"].split(".")[0] == param
    assert f"'{error['param']}'" in error["message"] and "SECRET" not in response.text


def test_nulls_and_fields_of_other_servers_are_as_good_as_nothing(client: httpx.Client) -> None:
    said = (
        "suffix",
        "stop",
        "n",
        "echo",
        "logprobs",
        "seed",
        "top_p",
        "temperature",
        "stream",
        "best_of",
        "logit_bias",
    )
    body = {"model": "tiny", "prompt": "x", "user": "me", "repetition_penalty": 1.0, **dict.fromkeys(said)}
    assert client.post("/v1/completions", json=body).status_code == 200


@pytest.mark.parametrize(
    ("content", "status"), [(b"{{", 400), (b"", 400), (b"[]", 400), (b'{"model": "nobody", "prompt": ""}', 404)]
)
def test_a_body_that_says_nothing_we_know(client: httpx.Client, content: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    response = client.post("/v1/completions", content=content, headers=headers)
    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


def test_a_name_is_no_path(client: httpx.Client, tiny: Path) -> None:
    for name in (str(tiny), "../models/tiny", ".bases", "", "base/../tiny"):
        response = client.post("/v1/completions", json={"model": name, "prompt": ""})
        assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")
