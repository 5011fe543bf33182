"""Models come whole or not at all, stay while they are used, and answer where they were promoted."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from codecompose_ls.errors import ModelError
from codecompose_ls.models import bases, manifest, promotions, registry
from codecompose_ls.models.files import content_hash
from codecompose_ls.models.model import load_model
from codecompose_ls.models.names import models
from tests.adapters import describe, lora, prefix
from tests.models import tiny_model

FAILED = {"evaluation": {"gate": {"passed": False}}}


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny model in the place of the one we ship."""
    base = tiny_model(tmp_path / "package" / "base")
    for module in (registry, bases):
        monkeypatch.setattr(module, "BASE", base)
    monkeypatch.setattr("codecompose_ls.models.names.BASE", base)
    return base


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    return folder


def ship_another(base: Path) -> None:
    """What an update of the package does."""
    shutil.rmtree(base)
    tiny_model(base, seed=7)
    bases.shipped_hash.cache_clear()


def says(call: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(ModelError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def names() -> list[str]:
    return [entry.name for entry in registry.entries()]


# Coming and going.


def test_what_is_known_of_a_model(shipped: Path, tmp_path: Path, shop: Path) -> None:
    metadata = {"evaluation": {"gate": {"passed": True}}, "strategy": "lora_autodev"}
    folder = registry.add(lora(tmp_path / "source", shipped, metadata=metadata), "shop-lora")
    registry.promote("shop-lora", shop)
    base, tuned = registry.entries()
    assert (base.name, base.kind, base.strategy, base.base, base.gate) == ("base", "full", "", "", None)
    assert (tuned.name, tuned.folder, tuned.kind) == ("shop-lora", folder, "lora")
    assert (tuned.strategy, tuned.base, tuned.project, tuned.gate) == ("lora_autodev", "base", "shop", True)
    assert (tuned.promoted, tuned.outdated, tuned.fault) == ((shop.resolve(),), False, "")
    assert tuned.size_bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert registry.entry("shop-lora") == tuned


def test_kinds_are_told_apart(shipped: Path, tmp_path: Path) -> None:
    registry.add(prefix(tmp_path / "prefix", shipped), "a")
    registry.add(describe(tiny_model(tmp_path / "full", seed=1), shipped, "l_ldb"), "b")
    assert [(one.kind, one.strategy) for one in registry.entries()[1:]] == [("prefix", "prefix"), ("full", "l_ldb")]


def test_only_what_belongs_to_a_model_is_taken(tmp_path: Path) -> None:
    source = tiny_model(tmp_path / "source")
    for name in ("training_args.bin", "optimizer.pt", "modeling.py", ".hidden.json"):
        (source / name).write_bytes(b"no")
    (source / ".checkpoints").mkdir()
    (source / "README.md").write_text("ours")
    folder = registry.add(source, "own")
    found = sorted(path.name for path in folder.iterdir())
    assert found == [
        "README.md",
        "codecompose.json",
        "config.json",
        "manifest.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert load_model(folder).content_hash == load_model(source).content_hash


@pytest.mark.parametrize("name", ["base", "", ".hidden", "../up", "a/b", "a b", "-a", "a" * 65, "ä"])
def test_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    assert "cannot be the name of a model" in says(registry.add, tiny_model(tmp_path / "source"), name)


def test_a_name_is_given_once(tmp_path: Path) -> None:
    source = tiny_model(tmp_path / "source")
    registry.add(source, "own")
    assert "there is a model 'own' already" in says(registry.add, source, "own")
    assert [registry.unused(stem) for stem in ("own", "other", "My Shop!", "base", "..")] == [
        "own-2",
        "other",
        "My-Shop",
        "base-2",
        "model",
    ]


def test_what_is_damaged_never_comes_in(tmp_path: Path, data: Path) -> None:
    source = tiny_model(tmp_path / "source", shards=2)
    weights = source / "model-00002-of-00002.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "not a whole safetensors file" in says(registry.add, source, "own")
    weights.unlink()
    assert "is missing" in says(registry.add, source, "own")
    assert "is no folder" in says(registry.add, tmp_path / "nowhere", "own")
    assert names() == ["base"]
    assert [path.name for path in (data / "models").iterdir()] == [".lock"]


def test_what_a_killed_command_left_behind_is_never_seen_and_cleared_away(tmp_path: Path, data: Path) -> None:
    left = data / "models" / ".beside-killed"
    shutil.copytree(tiny_model(tmp_path / "source"), left)
    assert names() == ["base"]
    registry.add(tmp_path / "source", "own")
    assert not left.exists()


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(manifest.os, "fsync", full)
    assert "No space left" in says(registry.add, tiny_model(tmp_path / "source"), "own")
    assert [path.name for path in (data / "models").iterdir()] == [".lock"]


def test_a_model_that_was_damaged_later_is_listed_with_its_fault(tmp_path: Path) -> None:
    folder = registry.add(tiny_model(tmp_path / "source"), "own")
    (folder / "config.json").write_text("{")
    entry = registry.entry("own")
    assert "config.json is not JSON" in entry.fault and entry.kind == ""


def test_names_come_before_folders_of_the_same_name(
    tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert registry.resolve("shop") == shop
    folder = registry.add(tiny_model(tmp_path / "source"), "shop")
    assert registry.resolve("shop") == folder
    assert registry.resolve("./shop") == shop


def test_removing(tmp_path: Path, data: Path) -> None:
    registry.add(tiny_model(tmp_path / "source"), "own")
    registry.remove("own")
    assert names() == ["base"]
    assert [path.name for path in (data / "models").iterdir()] == [".lock"]
    assert "no model 'own'" in says(registry.remove, "own")
    assert "cannot be removed" in says(registry.remove, "base", force=True)


def test_what_is_in_use_is_not_removed_unless_forced(tmp_path: Path, shop: Path) -> None:
    own = registry.add(tiny_model(tmp_path / "source"), "own")
    registry.add(lora(tmp_path / "adapter", own), "adapter")
    assert "is the base of adapter" in says(registry.remove, "own")
    registry.promote("adapter", shop)
    assert f"answers in {shop.resolve()}" in says(registry.remove, "adapter")
    registry.remove("adapter", force=True)
    assert registry.promoted(shop) is None
    registry.remove("own")


def test_many_commands_at_once(tmp_path: Path, shop: Path) -> None:
    source = tiny_model(tmp_path / "source")
    context = get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        list(pool.map(registry.add, [source] * 6, [f"own-{number}" for number in range(6)]))
        list(pool.map(registry.promote, [f"own-{number}" for number in range(6)], [shop] * 6))
    assert len(names()) == 7
    assert len(promotions.read().histories[shop.resolve()]) == 6


# Bases.


def test_the_shipped_base_stays_while_an_adapter_uses_it(shipped: Path, tmp_path: Path, data: Path) -> None:
    before = content_hash(shipped)
    folders = [registry.add(lora(tmp_path / name, shipped), name) for name in ("one", "two")]
    ship_another(shipped)
    model = load_model(folders[0])
    assert model.outdated and content_hash(model.folder) == before
    assert [entry.outdated for entry in registry.entries()] == [False, True, True]
    registry.remove("one")
    assert load_model(folders[1]).outdated
    registry.remove("two")
    assert list((data / "models" / ".bases").iterdir()) == []


def test_an_adapter_without_its_base_does_not_come_in(shipped: Path, tmp_path: Path) -> None:
    adapter, other = lora(tmp_path / "one", shipped), lora(tmp_path / "two", tiny_model(tmp_path / "own", seed=3))
    ship_another(shipped)
    said = "'mine' was tuned on an older base, which is not here any more: run codecompose-ls tune"
    assert says(registry.add, adapter, "mine") == said
    assert "the base of 'mine', 'own', is not in the registry: import it first" in says(registry.add, other, "mine")
    assert names() == ["base"]


def test_whole_weights_tuned_on_an_older_base_say_so(shipped: Path, tmp_path: Path) -> None:
    folder = registry.add(describe(tiny_model(tmp_path / "full", seed=1), shipped, "custom"), "full")
    assert not load_model(folder).outdated
    ship_another(shipped)
    assert load_model(folder).outdated and registry.entry("full").outdated
    own = registry.add(tiny_model(tmp_path / "source", seed=2), "own")
    assert not load_model(registry.add(describe(tiny_model(tmp_path / "b", seed=3), own, "custom"), "b")).outdated


# What answers where.


@pytest.fixture
def tuned(tmp_path: Path) -> list[str]:
    """Three models."""
    found = ["first", "second", "third"]
    for number, name in enumerate(found):
        registry.add(tiny_model(tmp_path / name, seed=number), name)
    return found


def test_promotions_are_taken_back_one_by_one(tuned: list[str], shop: Path) -> None:
    assert registry.promoted(shop) is None
    for name in tuned:
        registry.promote(name, shop)
        registry.promote(name, shop)  # what is in force already is no news
    assert registry.promoted(shop) == "third"
    assert [registry.roll_back(shop) for _ in tuned] == ["second", "first", "base"]
    assert registry.promoted(shop) is None
    assert "nothing has been promoted" in says(registry.roll_back, shop)


def test_a_folder_has_what_is_promoted_for_it_or_around_it(tuned: list[str], shop: Path, tmp_path: Path) -> None:
    inner, beside = shop / "src" / "api", tmp_path / "other"
    for folder in (inner, beside):
        folder.mkdir(parents=True)
    registry.promote("first", shop)
    assert (registry.promoted(inner), registry.promoted(beside)) == ("first", None)
    registry.promote("base", inner)
    assert (registry.promoted(inner), registry.promoted(inner.parent)) == ("base", "first")
    assert registry.roll_back(inner) == "first"
    link = tmp_path / "link"
    link.symlink_to(shop, target_is_directory=True)
    assert registry.promoted(link) == "first"


def test_a_model_that_was_removed_is_in_no_history(tuned: list[str], shop: Path) -> None:
    for name in tuned:
        registry.promote(name, shop)
    registry.remove("second")
    assert registry.roll_back(shop) == "first"


def test_what_is_not_promoted(shipped: Path, tmp_path: Path, shop: Path) -> None:
    registry.add(lora(tmp_path / "failed", shipped, metadata=FAILED), "failed")
    assert "has failed its gate" in says(registry.promote, "failed", shop)
    registry.promote("failed", shop, force=True)
    assert registry.promoted(shop) == "failed"
    assert "no model 'absent'" in says(registry.promote, "absent", shop)
    assert "no model '../data'" in says(registry.promote, "../data", shop)
    assert "is no folder" in says(registry.promote, "failed", shop / "absent")
    (models() / "failed" / "adapter_model.safetensors").unlink()
    assert "is missing" in says(registry.promote, "failed", shop, force=True)


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": [{"name": 1, "at": ""}]}', '{"a": [{}]}'])
def test_a_damaged_history_is_said(data: Path, content: str, shop: Path) -> None:
    data.mkdir()
    (data / "promotions.json").write_text(content)
    assert "promotions.json cannot be read" in says(registry.promoted, shop)


def test_the_history_says_when(tuned: list[str], shop: Path, data: Path) -> None:
    registry.promote("first", shop)
    said = json.loads((data / "promotions.json").read_text())
    (promotion,) = said[str(shop.resolve())]
    assert promotion["name"] == "first" and promotion["at"].endswith("+00:00")


def test_a_server_notices_each_change_once(tuned: list[str], shop: Path) -> None:
    watch = promotions.Watch()
    assert [watch.has_changed(), watch.has_changed()] == [True, False]
    registry.promote("first", shop)
    assert [watch.has_changed(), watch.has_changed()] == [True, False]
    registry.roll_back(shop)
    assert [watch.has_changed(), watch.has_changed()] == [True, False]


def test_weights_that_have_changed_on_disk_answer_nowhere(tmp_path: Path, shop: Path) -> None:
    folder = registry.add(tiny_model(tmp_path / "source"), "mine")
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    for said in (says(registry.promote, "mine", shop), says(load_model, folder)):
        assert "have changed since its manifest.json was written; codecompose-ls models remove mine --force" in said
    assert registry.promoted(shop) is None


def test_what_is_no_model_is_named_as_its_user_names_it(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    said = says(registry.add, tmp_path / "nothing", "mine")
    assert said == "'mine' cannot be added: config.json is missing; copy or export it again"


def test_a_damaged_adapter_keeps_its_base_and_keeps_nobody_from_removing_others(tmp_path: Path, shipped: Path) -> None:
    adapter = registry.add(lora(tmp_path / "lora", shipped), "adapter")
    registry.add(tiny_model(tmp_path / "source", seed=3), "other")
    (adapter / "codecompose.json").write_text("{")
    registry.remove("other")
    assert [folder.name for folder in (models() / ".bases").iterdir()] == [content_hash(shipped)]
    registry.remove("adapter")
    assert not [*(models() / ".bases").iterdir()] and [one.name for one in registry.entries()] == ["base"]
