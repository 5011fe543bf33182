"""What a model on disk is, and what is said about one that cannot be used."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.errors import ModelError
from codecompose_ls.models import registry
from codecompose_ls.models.model import load_model
from tests.models import TINY, random_weights, tiny_model


def edit_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(folder).weights()
    return str(caught.value)


def test_metadata(tmp_path: Path) -> None:
    model = load_model(tiny_model(tmp_path / "small", context=128))
    assert (model.name, model.family, model.context) == ("small", "codecompose", 128)
    assert model.architecture == TINY
    assert not model.snippets


@pytest.mark.parametrize("shards", [1, 3])
def test_weights_are_what_was_written(tmp_path: Path, shards: int) -> None:
    weights = load_model(tiny_model(tmp_path, shards=shards)).weights()
    expected = random_weights(TINY)
    assert weights.keys() == expected.keys()
    assert all(np.array_equal(weights[name], expected[name]) for name in expected)


@pytest.mark.parametrize(("dtype", "bits"), [("bfloat16", 8), ("float16", 11)])
def test_half_precision_is_read_as_float32(tmp_path: Path, dtype: str, bits: int) -> None:
    weights = load_model(tiny_model(tmp_path, dtype=dtype)).weights()
    for name, expected in random_weights(TINY).items():
        assert weights[name].dtype == np.float32
        # Rounding to so many significant bits is off by at most half of the last one; float16 adds its subnormals.
        np.testing.assert_allclose(weights[name], expected, rtol=2.0**-bits, atol=2.0**-25)


def test_an_untied_head_is_read(tmp_path: Path) -> None:
    model = load_model(tiny_model(tmp_path, architecture=replace(TINY, tie_word_embeddings=False)))
    assert model.weights()["lm_head.weight"].shape == (512, 64)


def test_rope_theta_is_found_in_both_of_its_places(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path)
    edit_json(folder / "config.json", lambda config: config.update(rope_parameters=None, rope_theta=500_000.0))
    assert load_model(folder).architecture.rope_theta == 500_000.0


def test_the_hash_covers_configuration_and_weights_alone(tmp_path: Path) -> None:
    first = load_model(tiny_model(tmp_path / "a"))
    assert load_model(tiny_model(tmp_path / "b")).content_hash == first.content_hash
    assert load_model(tiny_model(tmp_path / "c", seed=1)).content_hash != first.content_hash
    edit_json(tmp_path / "a" / "codecompose.json", lambda metadata: metadata.update(evaluation={"exact_match": 0.1}))
    assert load_model(tmp_path / "a").content_hash == first.content_hash
    edit_json(tmp_path / "a" / "config.json", lambda config: config.update(rms_norm_eps=1e-6))
    assert load_model(tmp_path / "a").content_hash != first.content_hash


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def spoil(path: Path) -> None:
    path.write_text("{not json")


DAMAGES: list[tuple[str, Callable[[Path], object], str]] = [
    ("model.safetensors", truncate, "model.safetensors is not a whole safetensors file"),
    ("model.safetensors", spoil, "model.safetensors is not a whole safetensors file"),
    ("model.safetensors", Path.unlink, "model.safetensors is missing"),
    ("config.json", Path.unlink, "config.json is missing"),
    ("config.json", truncate, "config.json is not JSON"),
    ("codecompose.json", spoil, "codecompose.json is not JSON"),
    ("codecompose.json", lambda path: path.write_text("[]"), "codecompose.json is not a JSON object"),
    ("codecompose.json", lambda path: path.write_text("{}"), "codecompose.json needs 'family'"),
    ("tokenizer.json", Path.unlink, "tokenizer.json is missing"),
    ("tokenizer.json", truncate, "tokenizer.json is not the one the model was trained with"),
]


@pytest.mark.parametrize(("name", "damage", "message"), DAMAGES)
def test_damage_is_named_with_its_file(
    tmp_path: Path, name: str, damage: Callable[[Path], object], message: str
) -> None:
    folder = tiny_model(tmp_path)
    damage(folder / name)
    said = refusal(folder)
    assert message in said
    assert str(folder) in said and "export it again" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt2"}, "model_type 'gpt2'"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ({"attention_bias": True}, "attention_bias True"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rope_type 'yarn'"),
        ({"rope_parameters": None, "rope_scaling": {"type": "linear", "factor": 4}}, "rope_type 'linear'"),
        ({"hidden_size": None}, "config.json lacks a usable value"),
        ({"hidden_size": float("inf")}, "config.json lacks a usable value"),
        ({"num_hidden_layers": 0}, "config.json says num_hidden_layers 0"),
        ({"num_attention_heads": 3}, "3 heads cannot share 2 heads of keys and values"),
        ({"head_dim": 15}, "an even head_dim, not 15"),
        ({"rope_parameters": "default"}, "config.json says 'default' where"),
        ({"num_hidden_layers": 3}, "no tensor model.layers.2."),
        ({"intermediate_size": 100}, "has shape (96, 64), config.json says (100, 64)"),
    ],
)
def test_a_configuration_we_cannot_serve(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    folder = tiny_model(tmp_path)
    edit_json(folder / "config.json", lambda config: config.update(changes))
    assert message in refusal(folder)


def test_values_that_are_not_numbers(tmp_path: Path) -> None:
    weights = random_weights(TINY)
    weights["model.norm.weight"][3] = np.nan
    assert "model.norm.weight has values that are not numbers" in refusal(tiny_model(tmp_path, weights=weights))


def test_a_missing_shard(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path, shards=2)
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "model-00002-of-00002.safetensors is missing" in refusal(folder)


def test_an_index_cannot_reach_outside_the_folder(tmp_path: Path) -> None:
    outside = tiny_model(tmp_path / "outside")
    folder = tiny_model(tmp_path / "inside", shards=2)
    index = folder / "model.safetensors.index.json"
    name = f"../{outside.name}/model.safetensors"
    edit_json(index, lambda value: value.update(weight_map=dict.fromkeys(value["weight_map"], name)))
    assert "model.safetensors is missing" in refusal(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@given(file=st.sampled_from(["config.json", "codecompose.json"]), data=st.data())
def test_whatever_stands_in_its_files_a_model_loads_or_says_why_not(tiny: Path, file: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(shutil.copytree(tiny, Path(temporary) / "model"))
        values = json.loads((folder / file).read_text())
        values[data.draw(st.sampled_from(sorted(values)))] = data.draw(JSON)
        (folder / file).write_text(json.dumps(values))
        try:
            load_model(folder).weights()
        except ModelError as error:
            assert "\n" not in str(error)


@given(data=st.data())
def test_whatever_bytes_are_lost_weights_load_or_say_why_not(tiny: Path, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(shutil.copytree(tiny, Path(temporary) / "model"))
        path = folder / "model.safetensors"
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, 2000) | st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(1, 50))] = data.draw(st.binary(max_size=50))
        path.write_bytes(content)
        try:
            load_model(folder).weights()
        except ModelError as error:
            assert "\n" not in str(error)


def test_no_folder(tmp_path: Path) -> None:
    assert "no model at" in refusal(tmp_path / "nowhere")


def test_a_name_is_base_a_path_or_a_folder_of_the_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path))
    tuned = tiny_model(tmp_path / "models" / "tuned")
    assert registry.resolve("base") == registry.BASE
    assert registry.resolve(str(tuned)) == tuned
    assert registry.resolve("tuned") == tuned
    with pytest.raises(ModelError, match="no model 'other'"):
        registry.resolve("other")
