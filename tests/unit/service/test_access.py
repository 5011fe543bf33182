"""Who may ask, how much, and what happens when a client leaves."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from codecompose_ls.errors import InputError
from codecompose_ls.service.access import VARIABLE, Tokens, generated, read_tokens
from codecompose_ls.service.app import create_app
from codecompose_ls.service.catalogue import Catalogue
from codecompose_ls.service.exchange import MAX_BODY
from tests.unit.service.conftest import HEADERS, TOKEN, Script

Ask = Callable[[Script], httpx.Client]


def in_process(script: Script) -> httpx.AsyncClient:
    """Return a client that calls the application without a socket."""
    app = create_app(Catalogue(script), Tokens([TOKEN]))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer größer"]
)
@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/completions", "/v1/chat/completions", "/docs", "/openapi.json", "/"]
)
async def test_without_the_token_every_path_answers_401(authorization: str | None, path: str) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode()}
    script = Script("a")
    async with in_process(script) as client:
        response = await client.post(path, headers=headers, json={"model": "script", "prompt": "p"})
    assert response.status_code == 401 and response.headers["www-authenticate"] == "Bearer"
    error = response.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
    assert not script.prompts


async def test_health_answers_anybody_and_tells_nothing() -> None:
    async with in_process(Script("a")) as client:
        response = await client.get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_with_the_token_what_is_not_there_is_404_in_the_same_shape() -> None:
    async with in_process(Script("a")) as client:
        for method, path, status in (("GET", "/docs", 404), ("GET", "/v1/completions", 405), ("POST", "/v1", 404)):
            response = await client.request(method, path, headers=HEADERS)
            assert response.status_code == status
            assert response.json()["error"]["type"] == "invalid_request_error"


async def test_a_body_beyond_the_limit_is_refused() -> None:
    async with in_process(script := Script("a")) as client:
        body = b'{"model": "script", "prompt": "' + b"x" * MAX_BODY + b'"}'
        response = await client.post("/v1/completions", headers=HEADERS, content=body)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")
    assert not script.prompts


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_ends_its_generation(ask: Ask, stream: bool) -> None:
    script = Script()  # which has no end
    client = ask(script)
    body = f'{{"model": "script", "prompt": "p", "max_tokens": 4000, "stream": {str(stream).lower()}}}'.encode()
    host, port = client.base_url.host, client.base_url.port
    with socket.create_connection((host, port or 80)) as connection:
        lines = (
            "POST /v1/completions HTTP/1.1",
            f"Host: {host}",
            f"Authorization: Bearer {TOKEN}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        )
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        assert script.began.wait(30)
        assert not script.ended.is_set()
    assert script.ended.wait(30)
    # Nobody else has noticed.
    assert client.get("/v1/models").status_code == 200


def test_a_client_that_leaves_in_the_midst_of_its_body(ask: Ask) -> None:
    script = Script("a")
    client = ask(script)
    with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as connection:
        head = (
            f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 99\r\n\r\n"
        )
        connection.sendall(head.encode() + b'{"model"')
    assert client.get("/v1/models").status_code == 200
    assert not script.prompts


# Tokens.


def test_tokens_come_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_tokens(None) is None
    monkeypatch.setenv(VARIABLE, "t" * 20)
    from_environment = read_tokens(None)
    assert from_environment is not None and from_environment.admit("Bearer " + "t" * 20)
    file = tmp_path / "tokens.txt"
    file.write_text(f"\ufeff{'a' * 20}\n# ann\n\n  {'b' * 20}  \n  #{'c' * 20}\n", encoding="utf-8")
    tokens = read_tokens(file)
    assert tokens is not None
    assert [tokens.admit(f"bearer {letter * 20}") for letter in "abt#"] == [True, True, False, False]
    assert not tokens.admit(f"bearer #{'c' * 20}")


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "at least 16"), (b"short\n", "at least 16"), (b"\xff", "not UTF-8")]
)
def test_a_token_file_that_opens_nothing(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "tokens.txt").write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_tokens(tmp_path / "tokens.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_tokens(tmp_path / "none.txt")


def test_a_token_that_is_made_up_is_good_and_another_one_each_time() -> None:
    one, other = generated(), generated()
    assert one != other and Tokens([one]).admit(f"Bearer {one}") and not Tokens([one]).admit(f"Bearer {other}")
