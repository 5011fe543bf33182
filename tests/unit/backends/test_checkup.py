"""What `doctor` says of the servers that the settings name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codecompose_ls.backends import chat
from codecompose_ls.backends.checkup import Checkup, check_backend, check_chat
from codecompose_ls.errors import InputError
from codecompose_ls.settings import Settings
from tests.http_server import HANG, HttpServer, event, openai, stream, whole


def settings(server: HttpServer, model: str = "tiny", **values: str) -> Settings:
    return Settings(backend="openai", backend_url=server.url, backend_model=model, **values)


async def checked(server: HttpServer, model: str = "tiny") -> Checkup:
    found = await check_backend(settings(server, model))
    assert found is not None
    return found


async def test_all_is_well(server: HttpServer) -> None:
    server.answers.append(openai("0"))
    found = await checked(server)
    assert found.good and found.mend == ""
    assert found.detail.startswith(f"tiny@{server.url[7:]}: reached in ")
    assert found.detail.endswith(" ms, lists the model")


async def test_a_model_that_is_not_listed(server: HttpServer) -> None:
    server.answers.append(openai("0"))
    found = await checked(server, "tinny")
    assert not found.good
    assert found.detail.endswith(" ms, but it does not list the model")
    assert found.mend == "set 'backend_model' to tiny"


async def test_the_names_that_a_server_lists_are_shown_as_text(server: HttpServer) -> None:
    server.listing = whole({"data": [{"id": "\x1b]0;title\x07small"}, {"id": "x" * 1000}]})
    server.answers.append(openai("0"))
    assert (await checked(server)).mend == f"set 'backend_model' to ]0;titlesmall or {'x' * 80}"


async def test_a_server_that_lists_nothing(server: HttpServer) -> None:
    server.listing = whole({}, status=404)
    server.answers.append(openai("0"))
    found = await checked(server)
    assert found.good and found.detail.endswith("lists no models")


async def test_a_key_that_is_refused(server: HttpServer) -> None:
    server.listing = whole({}, status=401)
    found = await checked(server)
    assert not found.good
    assert "wants an API key" in found.detail


async def test_nobody_there(server: HttpServer) -> None:
    await server.stop()
    found = await checked(server)
    assert not found.good
    assert "cannot be reached" in found.detail
    assert found.mend == "start the server, or mend the settings 'backend_...'"


async def test_a_chat_model(server: HttpServer) -> None:
    server.answers.append(stream(event({"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]})))
    found = await check_chat(Settings(chat="openai", chat_url=server.url, chat_model="tiny"))
    assert found is not None and found.good
    assert server.asked[-1].path == "/v1/chat/completions"


async def test_a_chat_server_that_says_nothing_is_not_waited_for(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "LOOK", replace(chat.LOOK, read=0.05))
    server.listing = [HANG]
    found = await check_chat(Settings(chat="openai", chat_url=server.url, chat_model="tiny"))
    assert found is not None and not found.good
    assert found.detail.endswith("says nothing and gives no sign of life")
    assert found.mend == "start the server, or mend the settings 'chat_...'"


async def test_what_is_not_named_is_not_asked() -> None:
    assert await check_backend(Settings()) is None
    assert await check_chat(Settings()) is None
    with pytest.raises(InputError):
        await check_backend(Settings(backend="openai"))


async def test_no_code_of_the_user_is_sent(server: HttpServer) -> None:
    server.answers.append(openai("0"))
    await checked(server)
    assert server.asked[-1].body["prompt"] == "import sys\n\n\ndef main():\n    print(sys.argv["
