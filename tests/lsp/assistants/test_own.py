"""The user's and the project's own assistants."""

from __future__ import annotations

from pathlib import Path

import pytest
from pygls.exceptions import JsonRpcException

from tests.http_server import HttpServer, talk
from tests.lsp.assistants.conftest import (
    INSIDE,
    OWN,
    SOURCE,
)
from tests.lsp.editor import editor


async def test_a_projects_assistants_run_once_it_is_trusted_and_that_is_asked_once(
    server: HttpServer, tmp_path: Path
) -> None:
    folder = tmp_path / ".codecompose" / "assistants"
    folder.mkdir(parents=True)
    (folder / "latin.md").write_text(OWN)
    async with editor(tmp_path, server) as session:
        session.replies["window/showMessageRequest"] = {"title": "Not now"}
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        for _ in range(2):
            assert "Say it in Latin" not in await session.actions(uri, INSIDE)
        question = await session.wait_for("window/showMessageRequest")
        assert "latin" in question["message"] and len(question["actions"]) == 2
        with pytest.raises(JsonRpcException, match="'latin' is the project's and not trusted yet"):
            await session.assist("latin", uri, INSIDE)
        assert [method for method, _ in session.asked].count("window/showMessageRequest") == 1
    async with editor(tmp_path, server) as session:
        session.replies["window/showMessageRequest"] = {"title": "Trust"}
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        while "Say it in Latin" not in await session.actions(uri, INSIDE):
            await session.wait_for("window/showMessageRequest")
        server.answers.append(talk("Duplicat."))
        assert (await session.assist("latin", uri, INSIDE))["markdown"] == "Duplicat."
    assert "Explain in Latin" in str(server.asked[-1].body)


async def test_an_assistant_that_cannot_be_used_is_said_once(tmp_path: Path) -> None:
    folder = tmp_path / "settings" / "assistants"
    folder.mkdir(parents=True)
    (folder / "broken.md").write_text("no front matter")
    async with editor(tmp_path, env={"CODECOMPOSE_CONFIG": str(folder.parent / "settings.toml")}) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        for _ in range(2):
            assert "Explain" in await session.actions(uri, INSIDE)
        shown = [params["message"] for method, params in session.notifications if method == "window/showMessage"]
        assert len(shown) == 1 and "broken.md is not used: it must begin with front matter" in shown[0]
