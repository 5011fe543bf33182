"""A chat model on this machine: what it says, how it is left, and what is missing, in one line."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from codecompose_ls.backends import on_disk
from codecompose_ls.backends.checkup import check_chat
from codecompose_ls.backends.connect import connect_chat
from codecompose_ls.backends.dialect import Message
from codecompose_ls.backends.local_chat import LocalChat
from codecompose_ls.backends.torch import TorchBackend
from codecompose_ls.errors import Cancelled, CodeComposeError, EngineError, InputError, MissingExtraError, ModelError
from codecompose_ls.prompt.templates import QWEN25_CODER
from codecompose_ls.settings import Settings
from codecompose_ls.types import Piece, Sampling
from tests.torch_models import CHATML, torch_model

HELLO = [Message("user", "say hello")]
EIGHT = Sampling(max_tokens=8)
NEVER = threading.Event()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "chatty"
    return torch_model(folder, "qwen2", template=QWEN25_CODER, chat_template=CHATML)


@pytest.fixture(scope="module")
def chat(folder: Path) -> Iterator[LocalChat]:
    chat = LocalChat(folder, context=512)
    yield chat
    chat.close()


async def said(chat: LocalChat, sampling: Sampling = EIGHT) -> list[Piece]:
    return [piece async for piece in chat.chat(HELLO, sampling, stop=NEVER)]


def text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


async def test_it_says_what_the_engine_says(folder: Path, chat: LocalChat) -> None:
    pieces = await said(chat)
    assert chat.is_loaded
    backend = TorchBackend(folder, device="cpu", fim=False)
    try:
        assert text(pieces) == text([piece async for piece in backend.chat(HELLO, EIGHT, stop=NEVER)])
    finally:
        backend.close()
    assert pieces[-1].finish is not None
    assert {piece.model for piece in pieces} == {"chatty"}


def test_it_is_not_loaded_before_it_is_asked(folder: Path) -> None:
    chat = connect_chat(Settings(chat="local", chat_model=str(folder)))
    assert isinstance(chat, LocalChat) and chat.model == "chatty" and not chat.is_loaded
    chat.close()


async def test_several_talk_at_once(chat: LocalChat) -> None:
    alone = text(await said(chat))
    assert [text(pieces) for pieces in await asyncio.gather(said(chat), said(chat), said(chat))] == [alone] * 3


async def test_leaving_or_stopping_ends_an_answer_and_not_the_process(chat: LocalChat) -> None:
    endless, stop = Sampling(max_tokens=200), threading.Event()
    async with aclosing(chat.chat(HELLO, endless, stop=NEVER)) as pieces:
        await anext(pieces)
    async with aclosing(chat.chat(HELLO, endless, stop=stop)) as pieces:
        await anext(pieces)
        stop.set()
        with pytest.raises(Cancelled):
            await anext(pieces)
    assert text(await said(chat))


async def test_what_cannot_be_answered_is_said_and_the_next_is_answered(chat: LocalChat) -> None:
    with pytest.raises(EngineError, match=r"cannot answer a prompt of \d+ tokens: the limit is 255"):
        [piece async for piece in chat.chat([Message("user", "x" * 4000)], EIGHT, stop=NEVER)]
    with pytest.raises(EngineError, match="the model's chat template refuses these messages: the user speaks first"):
        [piece async for piece in chat.chat([Message("assistant", "hello")], EIGHT, stop=NEVER)]
    assert text(await said(chat))


async def test_a_process_that_is_gone_is_started_again(chat: LocalChat) -> None:
    async with aclosing(chat.chat(HELLO, Sampling(max_tokens=200), stop=NEVER)) as pieces:
        await anext(pieces)
        assert chat._process is not None
        chat._process._process.kill()
        with pytest.raises(EngineError, match=r"'chatty' has ended by itself .* The next request starts it again"):
            [piece async for piece in pieces]
    assert text(await said(chat))


async def test_it_is_let_go_when_nobody_has_talked_to_it_for_a_while(
    chat: LocalChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "_idle_s", 0)
    await said(chat)
    assert chat._process is not None
    await asyncio.to_thread(chat._process._process.wait)


async def test_doctor_says_how_long_the_first_text_takes(folder: Path) -> None:
    found = await check_chat(Settings(chat="local", chat_model=str(folder)))
    assert found is not None and found.good
    assert found.detail.startswith("chatty: loaded, and first text after ")


async def test_what_cannot_be_loaded_is_said(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in folder.iterdir():
        (broken / path.name).write_bytes(b"" if path.suffix == ".safetensors" else path.read_bytes())
    found = await check_chat(Settings(chat="local", chat_model=str(broken)))
    assert found is not None and not found.good
    assert found.detail.startswith("broken: the model at ") and found.mend == "mend the setting 'chat_model'"


def test_what_is_missing_is_said_before_anything_is_loaded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(model: str) -> str:
        with pytest.raises(CodeComposeError) as raised:
            connect_chat(Settings(chat="local", chat_model=model))
        assert isinstance(raised.value, InputError | ModelError | MissingExtraError)
        return str(raised.value)

    assert fault("") == "chat = 'local' needs the setting 'chat_model': a chat model's folder or name"
    assert fault("nowhere").startswith("no model 'nowhere'")
    assert "has no config.json" in fault(str(tmp_path))
    mute = torch_model(tmp_path / "mute", "gpt2")
    assert fault(str(mute)).endswith("its tokenizer has no chat template; take an instruct model")
    monkeypatch.setattr(on_disk, "find_spec", lambda _: None)
    assert fault(str(folder)) == (
        "this command needs torch and transformers for this model: pip install 'codecompose-ls[tune]'"
    )


def test_a_template_in_a_file_of_its_own_is_one(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    kind = json.loads((tmp_path / "tokenizer_config.json").read_text())
    template = kind.pop("chat_template")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(kind))
    (tmp_path / "chat_template.jinja").write_text(template)
    on_disk.chat_context(tmp_path)


def test_torch_stays_out_of_the_process_that_asks() -> None:
    script = "import sys, codecompose_ls.backends.local_chat; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
