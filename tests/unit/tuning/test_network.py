"""The exported files compute what the network computes: checked by a second implementation, in numpy."""

# ruff: noqa: E402 - nothing here runs without torch

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from safetensors.torch import load_file

from codecompose_ls.tuning import export as exporting
from codecompose_ls.tuning import head_loss as head_losses
from codecompose_ls.tuning.export import export, network_from_hugging_face
from codecompose_ls.tuning.network import PRESETS, Network
from codecompose_ls.tuning.tokenizer import Encoder, tokenizer_hash

Array = NDArray[np.float64]


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    network = Network(PRESETS["tiny"])
    with torch.no_grad():
        for parameter in network.parameters():
            # bf16 holds these exactly, so the files hold the same numbers; no part is near 0.
            parameter.copy_((parameter + 0.1 * torch.randn_like(parameter)).bfloat16())
    return network


def read(folder: Path) -> dict[str, Any]:
    tensors: dict[str, Any] = {}
    for path in sorted(folder.glob("model*.safetensors")):
        tensors |= load_file(path)
    return tensors


def llama(tensors: dict[str, Array], config: dict[str, Any], tokens: list[int]) -> Array:
    """Return the logits of LlamaForCausalLM (Touvron et al. 2023), head by head, in plain numpy."""

    def norm(x: Array, weight: Array) -> Array:
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + config["rms_norm_eps"]) * weight

    def rope(x: Array) -> Array:
        half = config["head_dim"] // 2
        angles = np.outer(np.arange(len(x)), config["rope_theta"] ** (-np.arange(half) / half))
        left, right = x[:, :half], x[:, half:]
        return np.hstack(
            [left * np.cos(angles) - right * np.sin(angles), right * np.cos(angles) + left * np.sin(angles)]
        )

    x = tensors["model.embed_tokens.weight"][tokens]
    size, heads, groups = config["head_dim"], config["num_attention_heads"], config["num_key_value_heads"]
    mask = np.triu(np.full((len(tokens), len(tokens)), -np.inf), 1)
    for number in range(config["num_hidden_layers"]):
        layer = {
            name.split(".", 3)[3]: value
            for name, value in tensors.items()
            if name.startswith(f"model.layers.{number}.")
        }
        y = norm(x, layer["input_layernorm.weight"])
        q, k, v = (y @ layer[f"self_attn.{name}_proj.weight"].T for name in "qkv")
        outputs = []
        for head in range(heads):
            mine, shared = slice(head * size, (head + 1) * size), head * groups // heads
            theirs = slice(shared * size, (shared + 1) * size)
            scores = rope(q[:, mine]) @ rope(k[:, theirs]).T / np.sqrt(size) + mask
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            outputs.append(weights / weights.sum(axis=1, keepdims=True) @ v[:, theirs])
        x = x + np.hstack(outputs) @ layer["self_attn.o_proj.weight"].T
        y = norm(x, layer["post_attention_layernorm.weight"])
        gate, up = y @ layer["mlp.gate_proj.weight"].T, y @ layer["mlp.up_proj.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ layer["mlp.down_proj.weight"].T
    return norm(x, tensors["model.norm.weight"]) @ tensors["model.embed_tokens.weight"].T


def test_the_exported_files_give_the_networks_logits(network: Network, encoder: Encoder, tmp_path: Path) -> None:
    export(tmp_path, network, encoder.tokenizer, provenance={}, evaluation={})
    tensors = {name: value.double().numpy() for name, value in read(tmp_path).items()}
    tokens = [3, 141, 59, 26, 5, 358, 97, 9, 323]
    with torch.no_grad():
        logits = network.double()(torch.tensor([tokens]))[0].numpy()
    expected = llama(tensors, json.loads((tmp_path / "config.json").read_text()), tokens)
    assert np.abs(logits - expected).max() < 1e-5


def test_hugging_face_names_lead_back_to_the_same_network(network: Network, encoder: Encoder, tmp_path: Path) -> None:
    export(tmp_path, network, encoder.tokenizer, provenance={}, evaluation={})
    again = network_from_hugging_face(network.config, read(tmp_path)).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in network.state_dict().items())


def test_large_models_are_written_in_shards(
    network: Network, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(tmp_path, network, encoder.tokenizer, provenance={}, evaluation={})
    whole = read(tmp_path)
    monkeypatch.setattr(exporting, "SHARD_BYTES", 80_000)
    export(tmp_path, network, encoder.tokenizer, provenance={}, evaluation={})
    assert not (tmp_path / "model.safetensors").exists()
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == {path.name for path in tmp_path.glob("*.safetensors")}
    assert all(path.stat().st_size < 90_000 for path in tmp_path.glob("*.safetensors"))
    assert all(torch.equal(value, read(tmp_path)[name]) for name, value in whole.items())


def test_the_model_folder_says_what_it_is(network: Network, encoder: Encoder, tmp_path: Path) -> None:
    export(tmp_path, network, encoder.tokenizer, provenance={"tokens": 1}, evaluation={"held_out": []})
    about = json.loads((tmp_path / "codecompose.json").read_text())
    assert about["family"] == "codecompose"
    assert about["context"] == network.config.context
    assert about["template"]["spm"] == "{header}<|fim_prefix|><|fim_suffix|>{suffix}<|fim_middle|>{prefix}"
    assert about["tokenizer_hash"] == tokenizer_hash(encoder.tokenizer)
    assert about["provenance"] == {"tokens": 1}
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["rope_parameters"]["rope_theta"] == config["rope_theta"]
    assert not list(tmp_path.glob("*.partial"))


def test_the_sliced_loss_is_the_cross_entropy(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(head_losses.SLICE, "cpu", 7)
    tokens = torch.randint(0, 512, (2, 11))
    targets = tokens.roll(-1, dims=1)
    targets[0, 3] = -100
    expected = torch.nn.functional.cross_entropy(network(tokens).flatten(0, 1), targets.flatten(), reduction="sum")
    loss = network.loss(tokens, targets)
    assert torch.allclose(loss, expected, rtol=1e-5)
    (3 * loss).backward()
    gradients = {name: parameter.grad.clone() for name, parameter in network.named_parameters()}
    network.zero_grad()
    (3 * expected).backward()
    for name, parameter in network.named_parameters():
        assert torch.allclose(gradients[name], parameter.grad, rtol=1e-4, atol=1e-4), name


def test_without_gradients_the_loss_makes_none(network: Network) -> None:
    tokens = torch.randint(0, 512, (1, 11))
    with torch.no_grad():
        assert not network.loss(tokens, tokens).requires_grad


def test_a_token_sees_only_what_is_before_it(network: Network) -> None:
    tokens = torch.randint(0, 512, (1, 20))
    changed = tokens.clone()
    changed[0, 15:] = 7
    assert torch.allclose(network(tokens)[0, :15], network(changed)[0, :15], atol=1e-5)


@pytest.mark.parametrize(("size", "millions"), [("7m", 6.82), ("30m", 29.5)])
def test_presets_have_the_size_they_are_named_for(size: str, millions: float) -> None:
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in Network(replace(PRESETS[size], context=1)).parameters())
    assert parameters / 1e6 == pytest.approx(millions, rel=0.05)
