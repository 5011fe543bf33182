"""Addresses of model servers, keys, and what neither may show."""

from __future__ import annotations

import sys
from dataclasses import fields
from types import SimpleNamespace

import pytest

from codecompose_ls.backends import api_key
from codecompose_ls.backends.address import check, host_of
from codecompose_ls.connection import is_loopback
from codecompose_ls.errors import InputError
from codecompose_ls.settings import Settings

KEY = "sk-unmistakable-0123456789"


def test_a_good_address_loses_its_slash() -> None:
    assert check("http://127.0.0.1:8080/") == "http://127.0.0.1:8080"
    assert check("https://host/v1") == "https://host/v1"
    assert host_of("https://host:444/v1") == "host:444"


@pytest.mark.parametrize(
    "url", ["", "host:80", "ftp://host", "file:///etc/passwd", "http://", "http://h:x", "http://[", "http://h?q=1"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(InputError, match="must be like http://"):
        check(url)


@pytest.mark.parametrize("url", [f"https://me:{KEY}@host/v1", f"https://{KEY}@host"])
def test_a_password_in_an_address_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InputError, match="CODECOMPOSE_API_KEY") as caught:
        check(url)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.8.9.1", True),
        ("http://[::1]:8080", True),
        ("http://localhost", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example.org", False),
        ("https://api.example.org", False),
    ],
)
def test_what_is_this_machine(url: str, here: bool) -> None:
    assert is_loopback(url) is here


def keyring(monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    def get_password(service: str, user: str) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer if (service, user) == ("codecompose-ls", "host:8000") else None

    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=get_password))


def test_a_key_of_the_environment_comes_before_one_of_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring(monkeypatch, KEY)
    assert api_key.find("host:8000").headers() == {"Authorization": f"Bearer {KEY}"}
    assert not api_key.find("another:8000")
    monkeypatch.setenv("CODECOMPOSE_API_KEY", "from the environment\n")
    assert api_key.find("host:8000").headers() == {"Authorization": "Bearer from the environment"}


@pytest.mark.parametrize("answer", [None, RuntimeError("no backend"), OSError("locked")])
def test_without_a_keyring_there_is_no_key(monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    keyring(monkeypatch, answer)
    assert api_key.find("host:8000").headers() == {}


def test_no_setting_holds_a_key() -> None:
    words = {word for setting in fields(Settings) for word in setting.name.split("_")}
    assert not words & {"key", "token", "secret", "password"}


def test_a_key_does_not_show() -> None:
    key = api_key.ApiKey(KEY)
    assert KEY not in f"{key!r} {key}"
    assert key.without(f"incorrect API key: {KEY}") == "incorrect API key: ***"
