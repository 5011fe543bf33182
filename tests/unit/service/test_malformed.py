"""Requests that make no sense: each is refused with a status and one line in OpenAI's shape, and none is a failure."""

from __future__ import annotations

from itertools import product
from typing import Any

import httpx
import pytest

from codecompose_ls.service.access import Tokens
from codecompose_ls.service.app import create_app
from codecompose_ls.service.catalogue import Catalogue
from codecompose_ls.service.requests import ChatRequest, CompletionRequest
from tests.unit.service.conftest import HEADERS, TOKEN, Script

#: Values of every kind that JSON has.
VALUES: list[Any] = [None, True, -1, 0, 1.5, 10**9, 10**30, "x", "\0", [], [None], [1], [[]], {}, {"a": 1}]
JSON = {"Content-Type": "application/json"}


def error_of(response: httpx.Response) -> dict[str, Any]:
    """Return the error, whose shape every client of OpenAI's knows."""
    (error,) = response.json().values()
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["message"] and "\n" not in error["message"]
    return dict(error)


@pytest.mark.parametrize(
    ("path", "fields", "body"),
    [
        ("/v1/completions", CompletionRequest.model_fields, {"prompt": "x = "}),
        ("/v1/chat/completions", ChatRequest.model_fields, {"messages": [{"role": "user", "content": "hello"}]}),
    ],
)
async def test_a_field_of_another_kind_is_refused_by_name_or_served(
    path: str, fields: dict[str, Any], body: dict[str, Any]
) -> None:
    service = httpx.ASGITransport(create_app(Catalogue(Script("a")), Tokens([TOKEN])))
    async with httpx.AsyncClient(transport=service, base_url="http://service", headers=HEADERS) as client:
        for name, value in product(fields, VALUES):
            response = await client.post(path, json={"model": "script", "max_tokens": 1, **body, name: value})
            if response.status_code != 200:
                assert response.status_code == (404 if name == "model" and isinstance(value, str) else 400)
                assert error_of(response)["param"].split(".")[0] in (name, "model")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the body must be a JSON object"),
        (b"[]", "the body must be a JSON object"),
        (b"null", "the body must be a JSON object"),
        (b'"x"', "the body must be a JSON object"),
        (b"{", "the body is not JSON"),
        (b"\xff\xfe", "the body is not JSON"),
        (b"\x1f\x8b\x08", "the body is not JSON"),
        (b"[" * 100_000, "the body is not JSON"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "the body is not JSON"),
        (b"{}", "'model': Field required"),
        (b'{"model": "tiny", "temperature": NaN}', "'temperature': Input should be"),
    ],
)
def test_a_body_that_is_no_request(client: httpx.Client, content: bytes, said: str) -> None:
    response = client.post("/v1/completions", content=content, headers=JSON)
    assert response.status_code == 400
    assert error_of(response)["message"].startswith(said)


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/x-www-form-urlencoded"}])
def test_json_that_is_not_said_to_be_json_is_told_how(client: httpx.Client, headers: dict[str, str]) -> None:
    """As `curl -d` sends it."""
    response = client.post("/v1/completions", content=b'{"model": "tiny"}', headers=headers)
    assert response.status_code == 400
    assert "Content-Type: application/json" in error_of(response)["message"]


def test_halves_of_characters_are_no_failure(client: httpx.Client) -> None:
    response = client.post("/v1/completions", content=rb'{"model": "\ud800\nx", "prompt": ""}', headers=JSON)
    assert response.status_code == 404
    assert error_of(response)["message"].startswith("no model '? x'")
    for field in ("prompt", "suffix", "stop", "path", "language"):
        body = b'{"model": "tiny", "max_tokens": 1, "%b": "\\ud800"}' % field.encode()
        assert client.post("/v1/completions", content=body, headers=JSON).status_code == 200


def test_numbers_at_the_end_of_their_range_are_served(client: httpx.Client) -> None:
    body = {"model": "tiny", "prompt": "def f(", "max_tokens": 8}

    def text(**fields: Any) -> str:
        response = client.post("/v1/completions", json={**body, **fields})
        assert response.status_code == 200
        return str(response.json()["choices"][0]["text"])

    likeliest = text(temperature=0)
    for temperature in (5e-324, 1e-30, 1e-5):
        assert text(temperature=temperature) == likeliest
    assert text(temperature=2, top_p=5e-324) == likeliest
    assert text(temperature=2, top_k=1) == likeliest
    assert text(temperature=2, top_k=10**30, seed=2**63 - 1)


def test_what_is_refused_is_said_in_our_words(client: httpx.Client) -> None:
    response = client.post("/v1/completions", json={"model": "tiny", "n": 2})
    assert error_of(response)["message"] == "'n': one answer is given to a request; ask again for another"
