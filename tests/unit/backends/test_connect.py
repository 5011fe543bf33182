"""From the settings to who answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codecompose_ls.backends.backend import Backend
from codecompose_ls.backends.connect import connect, connect_chat, connect_remote, dialect_of, title
from codecompose_ls.backends.fallback import Fallback
from codecompose_ls.backends.remote import RemoteBackend
from codecompose_ls.errors import InputError
from codecompose_ls.settings import PROTOCOLS, Settings
from tests.fakes import FakeBackend

VLLM = Settings(backend="openai", backend_url="https://gpu.example:8000/v1/", backend_model="qwen")


def never() -> Backend:
    raise AssertionError("the local model is loaded only when it is needed")


def test_by_default_code_stays_on_this_machine() -> None:
    local = FakeBackend()
    assert connect(Settings(), local=lambda: local) is local
    assert connect_chat(Settings()) is None
    assert title(Settings()) == "base"


def test_a_server_with_the_local_model_behind_it_or_without() -> None:
    assert isinstance(connect(VLLM, local=never), Fallback)
    assert isinstance(connect(replace(VLLM, backend_fallback=False), local=never), RemoteBackend)


def test_a_model_behind_a_server_is_named_with_the_server() -> None:
    assert connect(VLLM, local=never).model == title(VLLM) == "qwen@gpu.example:8000"
    assert title(Settings(backend="llamacpp")) == "llamacpp@127.0.0.1:8080"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_without_an_address_no_other_machine_is_asked(protocol: str) -> None:
    assert dialect_of(protocol).default_url.startswith("http://127.0.0.1:")
    chat = connect_chat(Settings(chat=protocol, chat_model="chatty"))
    assert chat is not None and "@127.0.0.1:" in chat.model


@pytest.mark.parametrize(
    ("url", "begins"),
    [
        ("http://host:8000", "http://host:8000/v1"),
        ("http://host:8000/", "http://host:8000/v1"),
        ("http://host:8000/v1/", "http://host:8000/v1"),
        ("https://host/v1/fim", "https://host/v1/fim"),
    ],
)
def test_a_host_alone_is_asked_where_its_protocol_usually_is(url: str, begins: str) -> None:
    assert connect_remote(replace(VLLM, backend_url=url)).client.url == begins
    assert connect_remote(Settings(backend="llamacpp", backend_url="http://host:1/")).client.url == "http://host:1"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (replace(VLLM, backend_url="gpu:8000"), "setting 'backend_url': the address of a model server must be like"),
        (replace(VLLM, backend_model=""), "'openai' needs the setting 'backend_model'"),
        (replace(VLLM, backend_template="qwen"), "setting 'backend_template' must be one of server, codecompose, "),
    ],
)
def test_settings_that_do_not_go_together(settings: Settings, message: str) -> None:
    with pytest.raises(InputError, match=message):
        connect(settings, local=never)


def test_a_chat_model_needs_a_name_too() -> None:
    with pytest.raises(InputError, match="needs the setting 'chat_model'"):
        connect_chat(Settings(chat="ollama"))


def test_what_the_template_may_be_is_what_we_know() -> None:
    for family in ("server", "qwen2.5-coder", "codecompose"):
        connect_remote(replace(VLLM, backend_template=family))


def test_no_step_is_waited_for_longer_than_the_whole() -> None:
    remote = connect_remote(replace(VLLM, backend_timeout_ms=100))
    patience = remote.client._patience
    assert (patience.connect, patience.read, patience.total) == (1.0, 0.1, 0.1)
