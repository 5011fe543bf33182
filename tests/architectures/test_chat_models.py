"""A Hugging Face chat model behind the assistants, over LSP: on this machine, and behind this project's own service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from pygls.exceptions import JsonRpcException

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("fastapi")

from codecompose_ls.prompt.templates import QWEN25_CODER
from tests.lsp.editor import Editor, editor
from tests.torch_models import CHATML, torch_model
from tests.unit.cli.test_serve import serve

CODE = "def double(number: int) -> int:\n    return number + number\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that says nonsense, up to the end of its context."""
    folder = tmp_path_factory.mktemp("models") / "chatty"
    return torch_model(folder, "qwen2", template=QWEN25_CODER, chat_template=CHATML, max_position_embeddings=1024)


async def explained(session: Editor, workspace: Path) -> dict[str, Any]:
    """Ask for an explanation twice: once to its end, once to be cancelled. Return the first."""
    uri = await session.open(workspace / "double.py", CODE, "python")
    answer = await session.assist("explain", uri, 40, partialResultToken="whole")
    pieces = session.pieces("whole")
    assert len(pieces) > 1 and answer["markdown"].startswith("".join(pieces).lstrip("\n"))
    asked = session.assist("explain", uri, 40, id="ask", partialResultToken="left")
    await session.wait_for("$/progress", lambda params: params["token"] == "left")
    session.cancel("ask")
    with pytest.raises(JsonRpcException) as raised:
        await asked
    assert raised.value.code == -32800
    return dict(answer)


async def test_it_answers_on_this_machine_and_torch_stays_out_of_the_server(folder: Path, tmp_path: Path) -> None:
    async with editor(tmp_path, chat="local", chatModel=str(folder)) as session:
        assert (await explained(session, tmp_path))["madeBy"] == "chatty"
        if sys.platform == "linux":
            assert "libtorch" not in Path(f"/proc/{session.process.pid}/maps").read_text()


async def test_it_answers_through_our_own_service(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve("--engine", "torch", "--model", str(folder)) as (_, lines):
        address, token = lines[0].rpartition(" ")[2], lines[1].rpartition(" ")[2]
        monkeypatch.setenv("CODECOMPOSE_API_KEY", token)
        settings = {"chat": "codecompose", "chatUrl": f"{address}/v1", "chatModel": "chatty"}
        async with editor(tmp_path, **settings) as session:
            assert (await explained(session, tmp_path))["madeBy"] == f"chatty@{address.removeprefix('http://')}"


async def test_a_model_of_the_service_that_does_not_chat_is_said(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve("--model", str(tiny)) as (_, lines):
        address, token = lines[0].rpartition(" ")[2], lines[1].rpartition(" ")[2]
        monkeypatch.setenv("CODECOMPOSE_API_KEY", token)
        settings = {"chat": "codecompose", "chatUrl": f"{address}/v1", "chatModel": "tiny"}
        async with editor(tmp_path, **settings) as session:
            uri = await session.open(tmp_path / "double.py", CODE, "python")
            with pytest.raises(JsonRpcException, match="'tiny' does not chat: it has no chat template"):
                await session.assist("review", uri, 40)
