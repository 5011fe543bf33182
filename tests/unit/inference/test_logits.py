"""The graph computes what a Llama decoder computes: against plain numpy, and against the network we train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codecompose_ls.inference.quantization import Kernel
from codecompose_ls.inference.session import Session
from codecompose_ls.models.model import Architecture, Array, load_model
from tests.models import TINY, random_weights, tiny_model

IDS = np.random.default_rng(1).integers(0, TINY.vocab_size, 150).tolist()
#: Allowed error of the logits, root mean square, in standard deviations: rounding in float32; eight bits in weights and
#: activations, which a network of random weights does not dampen.
TOLERANCE: dict[Kernel, float] = {"float32": 1e-5, "int8": 0.1}


def rms_norm(x: Array, weight: Array, epsilon: float) -> Array:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * weight


def rotate(x: Array, theta: float) -> Array:
    """Turn (positions, heads, head_dim) by its positions, in Llama's half-split layout."""
    half = x.shape[-1] // 2
    angles = np.outer(np.arange(len(x)), theta ** (-np.arange(half) / half))[:, None]
    first, second = x[..., :half], x[..., half:]
    return np.concatenate(
        [first * np.cos(angles) - second * np.sin(angles), second * np.cos(angles) + first * np.sin(angles)], -1
    )


def attend(q: Array, k: Array, v: Array) -> Array:
    """Causal grouped-query attention of (positions, heads, head_dim)."""
    groups = q.shape[1] // k.shape[1]
    k, v = k.repeat(groups, axis=1), v.repeat(groups, axis=1)
    scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(q.shape[-1])
    scores[:, np.triu(np.ones(scores.shape[1:], bool), 1)] = -np.inf
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    return np.einsum("hqk,khd->qhd", shares, v).reshape(len(q), -1)


def llama(shape: Architecture, weights: Mapping[str, Array], ids: list[int]) -> Array:
    """Return the logits (positions, vocabulary) of a Llama decoder, computed in float64."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    x = w["model.embed_tokens.weight"][ids]
    for number in range(shape.num_hidden_layers):
        layer = f"model.layers.{number}."
        normed = rms_norm(x, w[layer + "input_layernorm.weight"], shape.rms_norm_eps)
        q, k, v = (normed @ w[f"{layer}self_attn.{name}_proj.weight"].T for name in "qkv")
        q, k, v = (part.reshape(len(ids), -1, shape.head_dim) for part in (q, k, v))
        attended = attend(rotate(q, shape.rope_theta), rotate(k, shape.rope_theta), v)
        x = x + attended @ w[layer + "self_attn.o_proj.weight"].T
        normed = rms_norm(x, w[layer + "post_attention_layernorm.weight"], shape.rms_norm_eps)
        gate, up = (normed @ w[f"{layer}mlp.{name}_proj.weight"].T for name in ("gate", "up"))
        x = x + (gate / (1 + np.exp(-gate)) * up) @ w[layer + "mlp.down_proj.weight"].T
    x = rms_norm(x, w["model.norm.weight"], shape.rms_norm_eps)
    head = w["model.embed_tokens.weight" if shape.tie_word_embeddings else "lm_head.weight"]
    return x @ head.T


def relative_error(found: Array, expected: Array) -> float:
    return float(np.sqrt(((found - expected) ** 2).mean()) / expected.std())


@pytest.mark.parametrize("kernel", TOLERANCE)
@pytest.mark.parametrize(
    "architecture",
    [TINY, replace(TINY, tie_word_embeddings=False), replace(TINY, hidden_size=256, intermediate_size=320)],
    ids=["tied", "untied", "several blocks"],
)
def test_logits_equal_a_second_implementation(tmp_path: Path, architecture: Architecture, kernel: Kernel) -> None:
    session = Session(load_model(tiny_model(tmp_path, architecture=architecture)), kernel=kernel)
    expected = llama(architecture, random_weights(architecture), IDS)
    assert relative_error(session.feed(IDS, rows=len(IDS)), expected) <= TOLERANCE[kernel]


def test_logits_equal_the_network_we_train(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from codecompose_ls.tuning.export import hugging_face_tensors
    from codecompose_ls.tuning.network import PRESETS, Network

    torch.manual_seed(0)
    config = replace(PRESETS["tiny"], context=256)
    network = Network(config)
    architecture = Architecture(
        vocab_size=config.vocabulary,
        hidden_size=config.hidden,
        intermediate_size=config.ffn,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        head_dim=config.head_dim,
        rms_norm_eps=config.norm_eps,
        rope_theta=config.rope_theta,
        tie_word_embeddings=True,
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3.0)  # away from the tiny values of a fresh network, where every logit is about zero
        expected = network(torch.tensor([IDS]))[0].numpy()
    weights = {name: value.numpy() for name, value in hugging_face_tensors(network).items()}
    model = load_model(tiny_model(tmp_path, architecture=architecture, weights=weights))
    for kernel in TOLERANCE:
        found = Session(model, kernel=kernel).feed(IDS, rows=len(IDS))
        assert relative_error(found, expected) <= TOLERANCE[kernel]
