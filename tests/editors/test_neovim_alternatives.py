"""Keys in Neovim on suggestions that the test knows: alternatives, words, lines, refusal, and keys that come fast."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.editors import neovim
from tests.editors.conftest import require
from tests.editors.neovim import Neovim
from tests.editors.polling import until
from tests.editors.project import write_project
from tests.editors.scripted_server import ScriptedServer


@pytest.fixture(scope="module", params=["trixie", "forky"])
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Neovim, ScriptedServer]]:
    """A terminal, and the server in it."""
    require(**neovim.needs(request.param))
    folder = tmp_path_factory.mktemp("keys")
    server = ScriptedServer(folder / "told.json")
    keys = {"previous": "<M-p>"}
    file = write_project(folder / "shop")
    with neovim.running(server.command, dict(os.environ), file, suite=request.param, keys=keys) as nvim:
        nvim.lua("vim.keymap.set('i', '<M-n>', '<Plug>(codecompose-next)')")
        yield nvim, server


@pytest.fixture
def server(opened: tuple[Neovim, ScriptedServer]) -> ScriptedServer:
    opened[1].forget()
    return opened[1]


@pytest.fixture
def nvim(opened: tuple[Neovim, ScriptedServer], server: ScriptedServer) -> Neovim:
    """In insert mode on a line of its own, at the end."""
    nvim = opened[0]
    nvim.keys("Escape", "G", "o")
    until(
        lambda: nvim.lua("return vim.api.nvim_get_mode().mode .. vim.trim(vim.api.nvim_get_current_line())") == "i",
        "a new line",
    )
    return nvim


def test_alternatives_are_seen_one_after_another(nvim: Neovim, server: ScriptedServer) -> None:
    nvim.write("=")
    until(lambda: nvim.ghost().startswith("apple pie"), "the first")
    nvim.keys("M-n")
    until(lambda: nvim.ghost().startswith("apricot jam"), "the second")
    nvim.keys("M-n")
    until(lambda: nvim.ghost().startswith("banana split"), "the third")
    nvim.keys("M-n")
    until(lambda: nvim.ghost().startswith("apple pie"), "the first again")
    nvim.keys("M-p", "M-p")
    until(lambda: nvim.ghost().startswith("apricot jam"), "the second again")
    nvim.keys("Tab")
    until(lambda: nvim.line().strip() == "=apricot jam", "it to be taken")
    until(lambda: server.told("accepted") == ["apricot jam"], "the server to be told")


def test_where_nothing_is_suggested_the_next_is_asked_for(nvim: Neovim) -> None:
    nvim.write("really?")
    until(lambda: nvim.line().strip() == "really?", "the keys to arrive")
    nvim.keys("M-n")
    until(lambda: nvim.ghost().startswith("apple pie"), "what is only given when it is asked for")
    assert nvim.line().strip() == "really?"


def test_it_is_taken_by_word_and_by_line(nvim: Neovim, server: ScriptedServer) -> None:
    nvim.write("=")
    until(lambda: nvim.ghost().startswith("apple pie"), "the first")
    nvim.keys("M-p")
    until(lambda: nvim.ghost().startswith("banana split"), "one of two lines")
    nvim.keys("M-Right")
    until(lambda: nvim.line().strip() == "=banana", "a word")
    until(lambda: nvim.ghost().startswith(" split"), "the rest, still to come")
    nvim.keys("C-M-Right")
    until(lambda: nvim.line().strip() == "=banana split", "the line")
    until(lambda: server.told("partly_accepted") == [6, 12], "the server to be told how much")
    nvim.keys("C-M-Right")
    until(lambda: nvim.text().endswith("=banana split\nwith cream"), "the next line")
    until(lambda: server.told("accepted") == ["banana split\nwith cream"], "the server to be told")


def test_it_is_refused_or_left(nvim: Neovim, server: ScriptedServer) -> None:
    nvim.write("=")
    until(lambda: nvim.ghost().startswith("apple pie"), "a suggestion")
    nvim.keys("C-]")
    until(lambda: server.told("dismissed") == ["rejected"], "the server to be told")
    assert not nvim.ghost() and nvim.line().strip() == "="
    nvim.keys("M-n")
    until(lambda: nvim.ghost().startswith("apple pie"), "it again, asked for")
    nvim.keys("Escape")
    until(lambda: server.told("dismissed") == ["rejected", "ignored"], "the server to be told")
    assert not nvim.ghost()


def test_a_key_cancels_what_the_one_before_it_asked(nvim: Neovim, server: ScriptedServer) -> None:
    nvim.write("a")
    until(lambda: "a" in server.told("asked"), "the first request")
    nvim.write("b")
    until(lambda: "a" in server.told("cancelled"), "it to be cancelled")
    until(lambda: "ab" in server.told("asked"), "the second request")
    nvim.write("cdef=")
    until(lambda: nvim.ghost().startswith("apple pie"), "the answer to the last")
    until(lambda: {*server.told("asked")} - {*server.told("cancelled")} == {"abcdef="}, "the others to be cancelled")
    assert server.told("shown") == ["apple pie"]
