"""The service on torch: users of one base with adapters of their own in one batch, and talks."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

from codecompose_ls.inference.torch import batch
from codecompose_ls.inference.torch.engine import TorchEngine
from codecompose_ls.models import registry as models
from codecompose_ls.prompt.templates import QWEN25_CODER
from codecompose_ls.service.shelf import DiskShelf
from tests.torch_models import CHATML, lora, prefix, torch_model
from tests.unit.service.conftest import connected, serving
from tests.unit.service.test_completions import events

NAMES = ("qwen", "ann", "bob", "team")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A registry with one base and the adapters of two users and a team."""
    patch, folder = pytest.MonkeyPatch(), tmp_path_factory.mktemp("data")
    patch.setenv("CODECOMPOSE_DATA", str(folder))
    base = torch_model(folder / "qwen", "qwen2", template=QWEN25_CODER, chat_template=CHATML)
    models.add(base, "qwen")
    models.add(lora(folder / "ann", base, seed=1), "ann")
    models.add(lora(folder / "bob", base, seed=2), "bob")
    models.add(prefix(folder / "team", base, seed=3), "team")
    yield folder
    patch.undo()


@pytest.fixture(scope="module")
def client(folders: Path) -> Iterator[httpx.Client]:
    with serving(DiskShelf(engine="torch")) as address, connected(address) as client:
        yield client


def ask(client: httpx.Client, name: str, **fields: Any) -> dict[str, Any]:
    body = {"model": name, "prompt": "for index, value", "suffix": "\n", "max_tokens": 12, "temperature": 0, **fields}
    answer: dict[str, Any] = client.post("/v1/completions", json=body).raise_for_status().json()
    return answer


def test_users_of_one_base_are_answered_in_one_batch_each_by_their_own_adapter(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [ask(client, name)["choices"] for name in NAMES]
    assert len({str(choices) for choices in alone}) == len(NAMES)
    assert {choice["finish_reason"] for (choice,) in alone} == {"length"}
    batches: list[int] = []
    everybody, numbers = threading.Event(), itertools.count(1)
    step, submit, prefill = batch.Batch.step, TorchEngine._submit, batch.Row.prefill

    def counted(self: TorchEngine, job: Any) -> None:
        submit(self, job)
        if next(numbers) == len(NAMES):
            everybody.set()

    def awaited(self: batch.Row, adapters: Any) -> Any:
        assert everybody.wait(60)
        return prefill(self, adapters)

    def watched(self: batch.Batch, adapters: Any) -> Any:
        batches.append(len(self.rows))
        return step(self, adapters)

    # The first prompt is read when all have asked.
    monkeypatch.setattr(TorchEngine, "_submit", counted)
    monkeypatch.setattr(batch.Row, "prefill", awaited)
    monkeypatch.setattr(batch.Batch, "step", watched)
    with ThreadPoolExecutor(len(NAMES)) as users:
        together = list(users.map(lambda name: ask(client, name)["choices"], NAMES))
    assert together == alone
    assert max(batches) == len(NAMES)


def test_a_client_that_leaves_frees_its_row(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    left, closed, noticed = threading.Event(), threading.Event(), threading.Event()
    run, step, leave = TorchEngine.run, batch.Batch.step, batch.Batch.leave

    async def watched_run(self: TorchEngine, *arguments: Any, **keywords: Any) -> Any:
        try:
            async with aclosing(run(self, *arguments, **keywords)) as tokens:
                async for token in tokens:
                    yield token
        finally:
            noticed.set()

    def held_step(self: batch.Batch, adapters: Any) -> Any:
        # The client leaves in the middle of the answer; the server notices when it sends the next token.
        if self.rows[0].length >= 20 and closed.wait(60):
            noticed.wait(2)
        return step(self, adapters)

    def watched_leave(self: batch.Batch, rows: Any) -> None:
        if any(row.length < 100 for row in rows):
            left.set()
        leave(self, rows)

    monkeypatch.setattr(TorchEngine, "run", watched_run)
    monkeypatch.setattr(batch.Batch, "step", held_step)
    monkeypatch.setattr(batch.Batch, "leave", watched_leave)
    body = {
        "model": "ann",
        "prompt": "for index, value",
        "suffix": "\n",
        "max_tokens": 200,
        "temperature": 0,
        "stream": True,
    }
    with client.stream("POST", "/v1/completions", json=body) as response:
        next(response.iter_lines())
    closed.set()
    assert left.wait(60)


def test_a_talk_whole_and_streamed(client: httpx.Client) -> None:
    messages = [
        {"role": "developer", "content": "Be short."},
        {"role": "user", "content": [{"type": "text", "text": "?"}]},
    ]
    body = {"model": "bob", "messages": messages, "max_completion_tokens": 12, "temperature": 0.8, "seed": 4}
    whole = client.post("/v1/chat/completions", json=body).raise_for_status().json()
    assert whole["object"] == "chat.completion" and whole["choices"][0]["message"]["role"] == "assistant"
    options = {"stream": True, "stream_options": {"include_usage": True}}
    *chunks, usage, done = events(client.post("/v1/chat/completions", json={**body, **options}))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""} and deltas[-1] == {}
    assert "".join(delta.get("content", "") for delta in deltas) == whole["choices"][0]["message"]["content"]
    assert chunks[-1]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"] == "length"
    assert (usage["usage"], done) == (whole["usage"], "[DONE]")


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"model": "base"}, 400, "does not chat"),
        ({"model": "nobody"}, 404, "no model"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "assistant", "content": "I know."}]}, 400, "the user speaks first"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "only parts with text"),
        ({"tools": [{"type": "function"}]}, 400, "tools"),
        ({"messages": [{"role": "user", "content": "x " * 400}]}, 400, "the prompt has"),
    ],
)
def test_a_talk_that_is_refused(client: httpx.Client, fields: dict[str, Any], status: int, said: str) -> None:
    body = {"model": "qwen", "messages": [{"role": "user", "content": "hello"}], **fields}
    response = client.post("/v1/chat/completions", json=body)
    assert response.status_code == status and said in response.json()["error"]["message"]
