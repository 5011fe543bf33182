"""The next and the previous alternative in Neovim, from a server that has several for one place."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.editors import neovim
from tests.editors.conftest import require
from tests.editors.neovim import Neovim
from tests.editors.polling import until
from tests.editors.server import Server

two_ways = pytest.mark.parametrize("suite", ["trixie", "forky"])
#: By itself it suggests nothing where a line ends with `?`.
SERVER = """
from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

server = LanguageServer("several", "1")


@server.feature(lsp.INITIALIZED)
def ready(ls, params):
    ls.protocol.notify("didChangeStatus", {"kind": "Normal", "message": "ready", "busy": False})


@server.feature(lsp.TEXT_DOCUMENT_INLINE_COMPLETION, lsp.InlineCompletionOptions())
def complete(ls, params):
    line = ls.workspace.get_text_document(params.text_document.uri).lines[params.position.line].rstrip()
    if line.endswith("?") and params.context.trigger_kind != lsp.InlineCompletionTriggerKind.Invoked:
        return lsp.InlineCompletionList([])
    range = lsp.Range(params.position, params.position)
    command = lsp.Command("count", "count", arguments=[])
    return lsp.InlineCompletionList([lsp.InlineCompletionItem(text, range=range, command=command) for text in WORDS])


@server.command("count")
def count(ls):
    pass


WORDS = ["apple pie", "apricot jam", "banana split"]
server.start_io()
"""


@pytest.fixture
def nvim(suite: str, server: Server, file: Path, tmp_path: Path) -> Iterator[Neovim]:
    """A terminal, in insert mode on a line of its own."""
    require(**neovim.needs(suite))
    script = tmp_path / "several.py"
    script.write_text(SERVER)
    setup = {"cmd": [sys.executable, str(script)], "keys": {"next": "<M-n>", "previous": "<M-p>"}}
    with (
        TemporaryDirectory(prefix="nvim") as home,  # short, for the sockets in it
        neovim.running(server, file, suite=suite, home=Path(home), **setup) as opened,
    ):
        opened.keys("G", "o")
        yield opened


@two_ways
def test_alternatives_are_seen_one_after_another(nvim: Neovim) -> None:
    nvim.write("=")
    until(lambda: nvim.ghost().startswith("apple pie"), "the first")
    nvim.keys("M-n")
    until(lambda: nvim.ghost().startswith("apricot jam"), "the second")
    nvim.keys("M-n")
    until(lambda: nvim.ghost().startswith("banana split"), "the third")
    nvim.keys("M-n")
    until(lambda: nvim.ghost().startswith("apple pie"), "the first again")
    nvim.keys("M-p")
    until(lambda: nvim.ghost().startswith("banana split"), "the last")
    nvim.keys("Tab")
    until(lambda: nvim.line().strip() == "=banana split", "it to be taken")


@two_ways
def test_where_nothing_is_suggested_the_next_is_asked_for(nvim: Neovim) -> None:
    nvim.write("really?")
    until(lambda: nvim.line().strip() == "really?", "the keys to arrive")
    nvim.keys("M-n")
    until(lambda: nvim.ghost().startswith("apple pie"), "what is only given when it is asked for")
    assert nvim.line().strip() == "really?"
