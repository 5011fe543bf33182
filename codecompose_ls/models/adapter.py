"""An adapter on disk: a PEFT folder with LoRA or prefix tuning, read without torch.

    adapter_config.json              PEFT's configuration
    adapter_model.safetensors        float32, float16 or bfloat16
    codecompose.json                 family, context, tokenizer_hash, strategy, base {name, content_hash}, ...

LoRA is merged into the weights before they are quantised, so it costs nothing while typing; a tuned prefix is keys and
values that stand before every prompt (docs/decisions/0009-adapters.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codecompose_ls.errors import ModelError
from codecompose_ls.models.files import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    METADATA,
    Array,
    damaged,
    read_json,
    read_tensors,
)

#: Variants of LoRA that mean something else than alpha / r * B A on top of the weights as they are.
_VARIANTS = (
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "lora_bias",
    "layer_replication",
    "alora_invocation_tokens",
    "target_parameters",
    "trainable_token_indices",
    "modules_to_save",
    "megatron_config",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
)
#: Ways to begin that leave the base's weights as they are; "pissa" and others do not.
_INITIALISERS = (None, True, False, "gaussian", "eva", "orthogonal")
_LORA = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
_PREFIX = "prompt_embeddings"


@dataclass(frozen=True, slots=True)
class LowRank:
    """The change of one matrix, scale * b a (Hu et al. 2021): `a` (r, columns), `b` (rows, r)."""

    a: Array
    b: Array
    scale: float
    #: The matrix is stored as (columns, rows), as those of GPT-2 are.
    transposed: bool = False

    def delta(self) -> Array:
        """Return what is added to the matrix."""
        change: Array = (self.b @ self.a) * np.float32(self.scale)
        return change.T if self.transposed else change


@dataclass(frozen=True, slots=True)
class Adapter:
    """What an adapter does to its base: `changes` to matrices by their names, or a `prefix`.

    The prefix is (virtual tokens, layers * 2, heads of keys and values, head_dim), keys and values alternating.
    """

    folder: Path
    kind: str
    base_name: str
    base_hash: str
    changes: Mapping[str, LowRank]
    prefix: Array | None = None

    @property
    def virtual_tokens(self) -> int:
        return 0 if self.prefix is None else len(self.prefix)

    def merge(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """Return the weights with the changes added. Raises `ModelError` where one does not fit."""
        merged = dict(weights)
        for name, change in self.changes.items():
            if name not in merged:
                raise damaged(self.folder, f"it changes {name}, which its base does not have")
            delta = change.delta()
            if delta.shape != merged[name].shape:
                raise damaged(self.folder, f"it changes {name} by {delta.shape}, the base has {merged[name].shape}")
            merged[name] = merged[name] + delta
        return merged

    def rows(self, *, layers: int, heads: int, head_dim: int) -> Array | None:
        """Return the prefix as (layers, 2, heads, virtual tokens, head_dim). Raises `ModelError` for another shape."""
        if self.prefix is None:
            return None
        if self.prefix.shape[1:] != (layers * 2, heads, head_dim):
            shape = f"{self.prefix.shape[1:]}, the base has {(layers * 2, heads, head_dim)}"
            raise damaged(self.folder, f"its prefix is for layers * 2, heads and head_dim of {shape}")
        split = self.prefix.reshape(-1, layers, 2, heads, head_dim)
        return np.ascontiguousarray(split.transpose(1, 2, 3, 0, 4))


def read_adapter(folder: Path) -> Adapter:
    """Read an adapter's folder. Raises `ModelError`."""
    config, base = read_json(folder / ADAPTER_CONFIG), read_json(folder / METADATA).get("base")
    named = isinstance(base, dict) and all(isinstance(base.get(key), str) for key in ("name", "content_hash"))
    if not named or not isinstance(base, dict):
        raise damaged(folder, "codecompose.json needs 'base' with 'name' and 'content_hash'")
    tensors = read_tensors(folder / ADAPTER_WEIGHTS)
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise damaged(folder, f"tensor {name} has values that are not numbers")
    kind = config.get("peft_type")
    if kind == "LORA":
        return Adapter(folder, "lora", base["name"], base["content_hash"], _low_ranks(folder, config, tensors))
    if kind == "PREFIX_TUNING":
        return Adapter(folder, "prefix", base["name"], base["content_hash"], {}, _prefix(folder, config, tensors))
    raise ModelError(f"the adapter at {folder} cannot be served: its kind is {kind!r}, we know LORA and PREFIX_TUNING")


def _low_ranks(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Array]) -> dict[str, LowRank]:
    _refuse_variants(folder, config)
    sides: dict[str, dict[str, Array]] = {}
    for name, tensor in tensors.items():
        found = _LORA.fullmatch(name)
        if found is None or tensor.ndim != 2:
            raise damaged(folder, f"tensor {name} is none of a LoRA on linear layers")
        sides.setdefault(found["module"], {})[found["side"]] = tensor
    changes: dict[str, LowRank] = {}
    for module, pair in sides.items():
        if pair.keys() != {"A", "B"} or pair["A"].shape[0] != pair["B"].shape[1] or not pair["A"].size:
            raise damaged(folder, f"lora_A and lora_B of {module} do not belong together")
        scale = _scale(folder, config, module, rank=pair["A"].shape[0])
        changes[f"{module}.weight"] = LowRank(pair["A"], pair["B"], scale, bool(config.get("fan_in_fan_out")))
    if not changes:
        raise damaged(folder, f"{ADAPTER_WEIGHTS} is empty")
    return changes


def _refuse_variants(folder: Path, config: Mapping[str, Any]) -> None:
    variant = next((name for name in _VARIANTS if config.get(name)), None)
    if config.get("bias", "none") != "none":
        variant = "bias"
    if config.get("init_lora_weights") not in _INITIALISERS:
        variant = "init_lora_weights"
    if variant:
        value = config[variant]
        raise ModelError(f"the adapter at {folder} cannot be served: adapter_config.json says {variant} {value!r}")


def _scale(folder: Path, config: Mapping[str, Any], module: str, *, rank: int) -> float:
    """Return alpha / r, or alpha / sqrt(r) with rank stabilisation (Kalajdzievski 2023); alpha may differ by module."""
    patterns = config.get("alpha_pattern") or {}
    try:
        fitting = (alpha for key, alpha in patterns.items() if re.match(rf"(.*\.)?({key})$", module))
        alpha = float(next(fitting, config["lora_alpha"]))
    except (AttributeError, KeyError, TypeError, ValueError, re.error) as error:
        raise damaged(folder, f"{ADAPTER_CONFIG} lacks a usable 'lora_alpha' ({error})") from error
    return float(alpha / rank**0.5 if config.get("use_rslora") else alpha / rank)


def _prefix(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Array]) -> Array:
    """Take PEFT's rows apart: (virtual tokens, layers * 2 * heads * head_dim), a projection already applied."""
    rows, heads = tensors.get(_PREFIX), config.get("num_attention_heads")
    if rows is None or rows.ndim != 2 or not rows.size:
        raise damaged(folder, f"{ADAPTER_WEIGHTS} has no {_PREFIX} (virtual tokens, columns)")
    try:
        head_dim = int(config["token_dim"]) // int(config["num_attention_heads"])
        prefix = rows.reshape(len(rows), int(config["num_layers"]) * 2, int(config["num_attention_heads"]), head_dim)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        shape = f"{rows.shape} for {config.get('num_layers')} layers of {heads} heads"
        raise damaged(folder, f"{_PREFIX} has the shape {shape} in {ADAPTER_CONFIG}") from error
    return prefix
