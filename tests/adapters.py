"""Adapters for tests, in PEFT's layout, written in milliseconds without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from codecompose_ls.models.files import content_hash, sha256
from codecompose_ls.models.model import Architecture, load_model

PROJECTIONS = {
    "self_attn": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "mlp": ("gate_proj", "up_proj", "down_proj"),
}


def lora(
    folder: Path,
    base: Path,
    *,
    scale: float = 0.3,
    seed: int = 0,
    tensors: dict[str, np.ndarray] | None = None,
    metadata: dict[str, Any] | None = None,
    **config: Any,
) -> Path:
    """Write a LoRA of rank 4 on all linear layers of a base, with random or these tensors."""
    random, shapes = np.random.default_rng(seed), load_model(base).architecture.shapes()
    drawn: dict[str, np.ndarray] = {}
    for name, shape in shapes.items():
        if "_proj." in name:
            module = f"base_model.model.{name.removesuffix('.weight')}"
            drawn[f"{module}.lora_A.weight"] = random.normal(0, scale, (4, shape[1])).astype(np.float32)
            drawn[f"{module}.lora_B.weight"] = random.normal(0, scale, (shape[0], 4)).astype(np.float32)
    said = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "fan_in_fan_out": False, "bias": "none"}
    said |= {"target_modules": [name for names in PROJECTIONS.values() for name in names], "task_type": "CAUSAL_LM"}
    return _write(folder, base, "lora", said | config, tensors or drawn, metadata)


def prefix(
    folder: Path,
    base: Path,
    *,
    virtual_tokens: int = 5,
    scale: float = 1.0,
    seed: int = 0,
    tensors: dict[str, np.ndarray] | None = None,
    metadata: dict[str, Any] | None = None,
    **config: Any,
) -> Path:
    """Write a tuned prefix for a base, with random or these rows."""
    shape: Architecture = load_model(base).architecture
    width = shape.num_key_value_heads * shape.head_dim
    rows = np.random.default_rng(seed).normal(0, scale, (virtual_tokens, shape.num_hidden_layers * 2 * width))
    said = {"peft_type": "PREFIX_TUNING", "num_virtual_tokens": virtual_tokens, "token_dim": width}
    said |= {"num_attention_heads": shape.num_key_value_heads, "num_layers": shape.num_hidden_layers}
    said |= {"num_transformer_submodules": 1, "task_type": "CAUSAL_LM"}
    return _write(
        folder, base, "prefix", said | config, tensors or {"prompt_embeddings": rows.astype(np.float32)}, metadata
    )


def describe(folder: Path, base: Path, strategy: str, metadata: dict[str, Any] | None = None) -> Path:
    """Write the codecompose.json of what was tuned on a base."""
    model = load_model(base)
    said = {
        "family": model.family,
        "context": model.context,
        "tokenizer_hash": sha256(model.tokenizer_path),
        "strategy": strategy,
        "base": {"name": base.name, "content_hash": content_hash(base)},
        "provenance": {"project": "shop"},
        "evaluation": {},
    }
    (folder / "codecompose.json").write_text(json.dumps(said | (metadata or {})), encoding="utf-8")
    return folder


def _write(
    folder: Path,
    base: Path,
    strategy: str,
    config: dict[str, Any],
    tensors: dict[str, np.ndarray],
    metadata: dict[str, Any] | None,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return describe(folder, base, strategy, metadata)
