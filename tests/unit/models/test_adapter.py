"""An adapter's folder: what it does to its base, and what is said about one that cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from codecompose_ls.errors import ModelError
from codecompose_ls.models import registry
from codecompose_ls.models.adapter import LowRank
from codecompose_ls.models.model import load_model
from tests.adapters import lora, prefix
from tests.models import TINY, tiny_model

Q = "base_model.model.model.layers.0.self_attn.q_proj"


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path / "data"))
    return registry.add(tiny_model(tmp_path / "source"), "own")


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        model = load_model(folder)
        model.weights()
        model.prefix()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edit(folder: Path, name: str, **changes: Any) -> None:
    value = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(value | changes))


def test_a_low_rank_change_by_hand() -> None:
    a, b = np.array([[1, 2, 3]], np.float32), np.array([[10], [20]], np.float32)
    assert LowRank(a, b, 0.5).delta().tolist() == [[5, 10, 15], [10, 20, 30]]
    assert LowRank(a, b, 0.5, transposed=True).delta().tolist() == [[5, 10], [10, 20], [15, 30]]


def test_only_what_the_adapter_names_changes(tmp_path: Path, base: Path) -> None:
    a, b = np.ones((2, 64), np.float32), np.full((64, 2), 0.5, np.float32)
    folder = lora(tmp_path / "lora", base, tensors={f"{Q}.lora_A.weight": a, f"{Q}.lora_B.weight": b}, lora_alpha=6)
    before, after = load_model(base).weights(), load_model(folder).weights()
    changed = [name for name in before if not np.array_equal(before[name], after[name])]
    assert changed == ["model.layers.0.self_attn.q_proj.weight"]
    # alpha 6 by rank 2, times 2 ranks of 1 * 0.5.
    np.testing.assert_allclose(after[changed[0]] - before[changed[0]], 3.0, rtol=1e-5)


def test_a_model_on_its_base(tmp_path: Path, base: Path) -> None:
    model, own = load_model(lora(tmp_path / "lora", base)), load_model(base)
    assert (model.name, model.folder, model.tokenizer_path) == ("lora", base, base / "tokenizer.json")
    assert (model.architecture, model.family, model.context) == (own.architecture, own.family, own.context)
    assert (model.prefix(), model.virtual_tokens, model.outdated) == (None, 0, False)
    hashes = {own.content_hash, model.content_hash, load_model(lora(tmp_path / "other", base, seed=1)).content_hash}
    assert len(hashes) == 3


def test_the_rows_of_a_prefix_are_keys_and_values_in_turn(tmp_path: Path, base: Path) -> None:
    layers, heads, width = TINY.num_hidden_layers, TINY.num_key_value_heads, TINY.head_dim
    rows = np.arange(3 * layers * 2 * heads * width, dtype=np.float32).reshape(3, -1)
    found = load_model(prefix(tmp_path / "prefix", base, tensors={"prompt_embeddings": rows})).prefix()
    assert found is not None and found.shape == (layers, 2, heads, 3, width)
    # Virtual token 2, layer 1, its values (1), head 0: columns in the order layer, key or value, head, dimension.
    start = (1 * 2 + 1) * heads * width
    assert found[1, 1, 0, 2].tolist() == rows[2, start : start + width].tolist()


def test_the_base_is_found_by_content_under_any_name(tmp_path: Path, base: Path) -> None:
    folder = lora(tmp_path / "lora", base)
    registry.add(base, "again")
    registry.remove("own")
    assert load_model(folder).folder.name == "again"


def test_a_base_that_is_gone(tmp_path: Path, base: Path) -> None:
    folder = lora(tmp_path / "lora", base)
    registry.remove("own")
    assert "the base of 'lora', 'own', is not in the registry: import it first" in refusal(folder)
    edit(folder, "codecompose.json", base={"name": "base", "content_hash": "0" * 64})
    assert "tuned on an older base, which is not here any more: run codecompose-ls tune" in refusal(folder)


def test_a_base_that_has_changed(tmp_path: Path, base: Path) -> None:
    folder = lora(tmp_path / "lora", base)
    edit(base, "config.json", rms_norm_eps=1e-6)
    assert "have changed since its manifest.json was written" in refusal(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peft_type": "IA3"}, "its kind is 'IA3', we know LORA and PREFIX_TUNING"),
        ({"use_dora": True}, "use_dora True"),
        ({"bias": "all"}, "bias 'all'"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights 'pissa'"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save ['lm_head']"),
        ({"lora_alpha": None}, "a usable 'lora_alpha'"),
        ({"alpha_pattern": {"(": 1}}, "a usable 'lora_alpha'"),
        ({"alpha_pattern": [1]}, "a usable 'lora_alpha'"),
        ({"fan_in_fan_out": True}, "down_proj.weight by (96, 64), the base has (64, 96)"),
    ],
)
def test_a_lora_we_cannot_serve(tmp_path: Path, base: Path, changes: dict[str, Any], message: str) -> None:
    folder = lora(tmp_path / "lora", base)
    edit(folder, "adapter_config.json", **changes)
    assert message in refusal(folder)


def halve(tensors: dict[str, np.ndarray]) -> None:
    tensors[f"{Q}.lora_A.weight"] = tensors[f"{Q}.lora_A.weight"][:2]


def widen(tensors: dict[str, np.ndarray]) -> None:
    tensors[f"{Q}.lora_A.weight"] = np.ones((4, 65), np.float32)


def rename(tensors: dict[str, np.ndarray]) -> None:
    for side in "AB":
        tensors[f"base_model.model.model.layers.9.mlp.lora_{side}.weight"] = tensors.pop(f"{Q}.lora_{side}.weight")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (halve, "lora_A and lora_B of model.layers.0.self_attn.q_proj do not belong together"),
        (widen, "it changes model.layers.0.self_attn.q_proj.weight by (64, 65), the base has (64, 64)"),
        (rename, "it changes model.layers.9.mlp.weight, which its base does not have"),
        (lambda tensors: tensors.pop(f"{Q}.lora_A.weight"), "do not belong together"),
        (lambda tensors: tensors.update(magnitude=np.ones(3, np.float32)), "magnitude is none of a LoRA"),
        (lambda tensors: tensors[f"{Q}.lora_A.weight"].fill(np.inf), "has values that are not numbers"),
        (lambda tensors: tensors.clear(), "is empty"),
    ],
)
def test_tensors_that_do_not_fit(
    tmp_path: Path, base: Path, change: Callable[[dict[str, np.ndarray]], object], message: str
) -> None:
    folder = lora(tmp_path / "lora", base)
    tensors = load_file(folder / "adapter_model.safetensors")
    change(tensors)
    save_file(tensors, folder / "adapter_model.safetensors")
    assert message in refusal(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_layers": 3}, "prompt_embeddings has the shape (5, 128) for 3 layers of 2 heads"),
        ({"num_layers": 1, "token_dim": 64}, "the base has (4, 2, 16)"),
        ({"num_attention_heads": 0}, "prompt_embeddings has the shape"),
        ({"token_dim": "wide"}, "prompt_embeddings has the shape"),
    ],
)
def test_a_prefix_we_cannot_serve(tmp_path: Path, base: Path, changes: dict[str, Any], message: str) -> None:
    folder = prefix(tmp_path / "prefix", base)
    edit(folder, "adapter_config.json", **changes)
    assert message in refusal(folder)


def test_files_that_are_missing_or_damaged(tmp_path: Path, base: Path) -> None:
    for name, message in {
        "adapter_model.safetensors": "adapter_model.safetensors is missing",
        "codecompose.json": "codecompose.json is missing",
    }.items():
        folder = lora(tmp_path / name, base)
        (folder / name).unlink()
        assert message in refusal(folder)
    folder = lora(tmp_path / "cut", base)
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    assert "not a whole safetensors file" in refusal(folder)
    folder = lora(tmp_path / "nameless", base)
    edit(folder, "codecompose.json", base="own")
    assert "needs 'base' with 'name' and 'content_hash'" in refusal(folder)
    folder = lora(tmp_path / "foreign", base)
    edit(folder, "codecompose.json", tokenizer_hash="0" * 64)
    assert "tuned with another tokenizer" in refusal(folder)
