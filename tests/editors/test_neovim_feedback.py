"""`:CodeCompose feedback` in Neovim: of the suggestion shown last, of an answer, with a comment or asked for one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.editors import neovim
from tests.editors.conftest import require
from tests.editors.polling import until
from tests.editors.project import BEGIN, REST, line_before_body
from tests.editors.server import PROGRAM, Server


def kept(server: Server) -> list[dict[str, str]]:
    """What has been said, the first first."""
    call = [PROGRAM, "feedback", "export"]
    said = subprocess.run(call, env=server.environment, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in said.splitlines()]


@pytest.mark.parametrize("suite", ["trixie", "forky"])
def test_thumbs_are_kept_with_the_comment(suite: str, server: Server, file: Path) -> None:
    require(**neovim.needs(suite))
    with neovim.running(server.command, server.environment, file, suite=suite) as nvim:
        nvim.keys(f"{line_before_body(file)}G", "o")
        nvim.write(BEGIN)
        nvim.type_until_ghost(REST)
        nvim.command("CodeCompose feedback up just what I wanted")
        until(lambda: "Thank you" in nvim.screen(), "the server's answer")
        (first,) = kept(server)
        assert (first["rating"], first["about"], first["comment"]) == ("up", "suggestion", "just what I wanted")
        assert first["language"] == "python" and first["editor"] == "neovim"

        nvim.command("CodeCompose feedback down")
        until(lambda: "What was wrong?" in nvim.screen(), "a question")
        nvim.keys("Escape")  # says nothing
        until(lambda: "What was wrong?" not in nvim.screen(), "the question to go")
        nvim.command("edit!")
        until(nvim.is_attached, "the buffer to have its server again")
        nvim.command("CodeCompose explain")
        until(lambda: "no model was asked" in nvim.panel(), "an explanation")
        nvim.command("CodeCompose feedback down")
        until(lambda: "What was wrong?" in nvim.screen(), "a question")
        nvim.write("too long")
        nvim.keys("Enter")
        until(lambda: len(kept(server)) == 2, "it to be kept")
        second = kept(server)[1]
        assert (second["about"], second["assistant"], second["comment"]) == ("assistant", "explain", "too long")
        assert nvim.lua("return vim.fn.getcompletion('CodeCompose feedback ', 'cmdline')") == ["down", "up"]
        nvim.keys("Escape")
