"""Which models there are, which of them are in memory, and which engine runs them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from codecompose_ls.errors import InputError, ModelError
from codecompose_ls.models import registry as models
from codecompose_ls.service import catalogue
from codecompose_ls.service.catalogue import Card, Catalogue, Weights
from codecompose_ls.service.faults import Fault
from codecompose_ls.service.shelf import DiskShelf
from tests import adapters
from tests.models import tiny_model
from tests.unit.service.conftest import Script


def test_the_listing_has_every_name_and_the_base_of_each_adapter(client: httpx.Client, registry: Path) -> None:
    adapters.lora(registry / "team", registry / "models" / "tiny")
    models.add(registry / "team", "team")
    listed = client.get("/v1/models").json()
    assert listed["object"] == "list"
    assert {model["id"]: model["parent"] for model in listed["data"]} == {"base": None, "tiny": None, "team": "tiny"}
    assert all(model["object"] == "model" for model in listed["data"])
    assert client.get("/v1/models/team").json()["parent"] == "tiny"
    assert client.get("/v1/models/nobody").status_code == 404
    said = [
        client.post("/v1/completions", json={"model": name, "prompt": "def", "max_tokens": 8, "temperature": 0}).json()
        for name in ("tiny", "team")
    ]
    assert said[0]["choices"][0]["text"] != said[1]["choices"][0]["text"]


def test_only_those_that_are_named_are_served(registry: Path, tiny: Path, tmp_path: Path) -> None:
    shelf = DiskShelf([str(tiny), "base"], engine="int8")
    assert [card.name for card in shelf.cards()] == [tiny.name, "base"]
    assert shelf.find("team") is None
    with pytest.raises(ModelError, match="no model 'nobody'"):
        DiskShelf(["nobody"])
    twin = tiny_model(tmp_path / tiny.name, seed=3)
    with pytest.raises(InputError, match=f"another model is called '{tiny.name}' already"):
        DiskShelf([str(tiny), str(twin)])


def test_torch_runs_adapters_on_one_base_and_int8_each_as_weights_of_its_own(registry: Path) -> None:
    if not (registry / "models" / "other").exists():
        adapters.prefix(registry / "other", registry / "models" / "tiny")
        models.add(registry / "other", "other")
    base, other = registry / "models" / "tiny", registry / "models" / "other"
    on_torch, on_int8 = DiskShelf(engine="torch"), DiskShelf(engine="int8")
    weights, adapter = on_torch.find("other") or pytest.fail()
    assert (weights, adapter) == ((on_torch.find("tiny") or pytest.fail())[0], other)
    assert (weights.folder, weights.engine) == (base, "torch")
    weights, adapter = on_int8.find("other") or pytest.fail()
    assert (weights.folder, weights.engine, adapter) == (other, "int8", None)


@pytest.mark.parametrize(("gpu", "ours", "other"), [(False, "int8", "torch"), (True, "torch", "torch")])
def test_of_itself_it_takes_torch_with_a_gpu_and_for_what_int8_does_not_know(
    gpu: bool, ours: str, other: str, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codecompose_ls.service.shelf._has_gpu", lambda: gpu)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "config.json").write_text('{"model_type": "gpt2"}')
    shelf = DiskShelf([str(tiny), str(foreign)])
    engines = [(shelf.find(card.name) or pytest.fail())[0].engine for card in shelf.cards()]
    assert engines == [ours, other]


class Many:
    """A shelf of models that nobody has to compute."""

    def __init__(self) -> None:
        self.loaded: dict[str, Script] = {}

    def cards(self) -> list[Card]:
        return []

    def find(self, name: str) -> tuple[Weights, Path | None] | None:
        return Weights(Path(name), "script", 0), None

    def load(self, weights: Weights) -> Script:
        if weights.folder.name == "broken":
            raise ModelError("the model is broken")
        self.loaded[weights.folder.name] = Script("a")
        return self.loaded[weights.folder.name]


async def test_models_used_longest_ago_are_closed_but_never_those_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "LOADED", 2)
    shelf = Many()
    kept = Catalogue(shelf)

    async def closed() -> str:
        await asyncio.gather(*kept._closing)
        return "".join(name for name, backend in sorted(shelf.loaded.items()) if backend.closed)

    async with kept.lease("a"), kept.lease("b"), kept.lease("c"):
        assert await closed() == ""
    # The first that is given back is the only one that nobody uses.
    assert await closed() == "c"
    async with kept.lease("b"), kept.lease("d"):
        assert await closed() == "c"
    assert await closed() == "ac"
    await kept.close()
    assert await closed() == "abcd"


async def test_two_who_ask_for_the_same_model_load_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Many()
    kept = Catalogue(shelf)

    async def ask() -> object:
        async with kept.lease("a") as backend:
            return backend

    one, other = await asyncio.gather(ask(), ask())
    assert one is other is shelf.loaded["a"]


async def test_a_client_that_leaves_while_a_model_is_loaded_leaves_it_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shelf, begun, go = Many(), threading.Event(), threading.Event()
    load = shelf.load

    def slow(weights: Weights) -> Script:
        begun.set()
        assert go.wait(30)
        return load(weights)

    monkeypatch.setattr(shelf, "load", slow)
    kept = Catalogue(shelf)

    async def ask() -> object:
        async with kept.lease("a") as backend:
            return backend

    impatient, patient = asyncio.create_task(ask()), asyncio.create_task(ask())
    assert await asyncio.to_thread(begun.wait, 30)
    impatient.cancel()
    await asyncio.wait({impatient})
    go.set()
    assert await patient is shelf.loaded["a"]
    await kept.close()
    assert shelf.loaded["a"].closed


async def test_more_than_can_wait_are_refused_until_one_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "WAITING", 2)
    kept = Catalogue(Many())
    async with AsyncExitStack() as held:
        for _ in range(Script.at_once + 2):
            await held.enter_async_context(kept.lease("a"))
        with pytest.raises(Fault, match="'a' has all the requests that it can answer") as fault:
            async with kept.lease("a"):
                pass
        assert (fault.value.status, fault.value.retry_after_s) == (429, 1)
        async with kept.lease("b"):
            pass
    async with kept.lease("a"):
        pass
    assert not +kept._users and not +kept._asked


def test_whoever_is_refused_is_told_when_to_ask_again(
    ask: Callable[[Script], httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "WAITING", 0)
    client = ask(Script())
    asked = {"model": "script", "prompt": "x", "messages": [{"role": "user", "content": "x"}], "stream": True}

    def status() -> int:
        with client.stream("POST", "/v1/completions", json=asked) as answer:
            return answer.status_code

    with client.stream("POST", "/v1/completions", json=asked) as answer:
        lines = answer.iter_lines()
        next(lines)
        for path in ("completions", "chat/completions"):
            refused = client.post(f"/v1/{path}", json=asked)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert refused.json()["error"] == {
                "message": "'script' has all the requests that it can answer in time: ask again in 1 s",
                "type": "invalid_request_error",
                "param": None,
                "code": "rate_limit",
            }
    # Whoever leaves makes room.
    while (said := status()) == 429:
        pass
    assert said == 200


async def test_a_model_that_cannot_be_loaded_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Catalogue(Many())
    for _ in range(2):
        with pytest.raises(ModelError):
            async with kept.lease("broken"):
                pass


async def test_a_model_that_is_gone_is_unknown(registry: Path) -> None:
    kept = Catalogue(DiskShelf(engine="int8"))
    with pytest.raises(Fault, match="no model 'gone'") as fault:
        async with kept.lease("gone"):
            pass
    assert fault.value.status == 404
