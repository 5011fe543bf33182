"""Where a key goes, and where not: it stays with the address that the user has named."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from codecompose_ls.backends import api_key
from codecompose_ls.backends.api_key import ApiKey
from codecompose_ls.backends.client import Client
from codecompose_ls.backends.request import Patience, Request
from codecompose_ls.errors import BackendError, InputError
from codecompose_ls.types import Piece
from tests.http_server import HttpServer, openai, whole

KEY = "sk-unmistakable-0123456789"
PATIENCE = Patience(connect=30, read=30, write=30, pool=30, total=60)
ASK = Request("/completions", {"prompt": "print("})


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Callable[[str], Client]]:
    async with AsyncExitStack() as opened:

        def make(url: str) -> Client:
            client = Client(url, key=ApiKey(KEY), patience=PATIENCE)
            opened.push_async_callback(client.aclose)
            return client

        yield make


async def ask(client: Client) -> str:
    return "".join([piece.text async for piece in client.stream(ASK, _read)])


def _read(answer: dict[str, object]) -> Piece | None:
    return Piece("hello", finish="stop")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(server: HttpServer, connect: Callable[[str], Client], status: int) -> None:
    async with HttpServer() as other:
        moved = f"Location: {other.url}/v1?token={KEY}\r\n"
        server.answers.append(whole(b"", status=status, headers=moved))
        with pytest.raises(BackendError) as caught:
            await ask(connect(server.url))
        assert not other.asked
    assert str(caught.value).endswith(
        f" answers {status}: it sends us to another address (http://127.0.0.1), which is not asked; "
        "if that is the right one, put it into the settings"
    )
    assert KEY not in str(caught.value)


async def test_a_listing_is_not_redirected_either(server: HttpServer, connect: Callable[[str], Client]) -> None:
    async with HttpServer() as other:
        server.listing = whole(b"", status=302, headers=f"Location: {other.url}\r\n")
        with pytest.raises(BackendError, match="sends us to another address"):
            await connect(server.url).get("/models")
        assert not other.asked


async def test_a_proxy_is_for_other_machines_alone(
    server: HttpServer, connect: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with HttpServer() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        server.answers.append(openai("x"))
        assert await ask(connect(server.url)) == "hello"
        assert not proxy.asked
        proxy.answers.append(openai("x"))
        assert await ask(connect("http://gpu.example:8000/v1")) == "hello"
        assert [asked.path for asked in proxy.asked] == ["http://gpu.example:8000/v1/completions"]


async def test_a_proxy_that_is_down_or_refuses_is_named(
    connect: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with HttpServer() as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        client = connect("https://gpu.example/v1")
        proxy.answers.append(whole(b"", status=407))
        with pytest.raises(BackendError, match="cannot be reached: the proxy in the environment says 407"):
            await ask(client)
        assert KEY not in str(proxy.asked)
        await proxy.stop()
        with pytest.raises(
            BackendError, match=r"\(Connection refused\): is it running, and the proxy in the environment\?$"
        ):
            await ask(client)
        await proxy.start()


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk-\x1b[0m", "sk-schlüssel"])
def test_a_key_that_no_header_can_carry_is_said_so_and_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(api_key.VARIABLE, key)
    with pytest.raises(InputError, match=r"^the key in CODECOMPOSE_API_KEY has a line break") as caught:
        api_key.find("host:8000")
    assert "sk-" not in str(caught.value) and "\n" not in str(caught.value)
