"""A model on disk (DESIGN.md 4): a folder in Hugging Face's layout with a `codecompose.json`; read without torch.

    config.json                      a Llama decoder (`LlamaForCausalLM`)
    tokenizer.json                   byte-level BPE (the `tokenizers` library)
    model*.safetensors               float32, float16 or bfloat16; one file, or shards with model.safetensors.index.json
    codecompose.json                 family, context, snippets, tokenizer_hash, provenance, evaluation

Or an adapter (`adapter`), which is read together with the base that it names by its hash. Whatever is missing, damaged
or of another kind raises `ModelError` with one line that says what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from codecompose_ls.errors import ModelError
from codecompose_ls.models.adapter import Adapter, read_adapter
from codecompose_ls.models.bases import base_folder, is_outdated
from codecompose_ls.models.files import (
    CONFIG,
    METADATA,
    TOKENIZER,
    Array,
    content_hash,
    damaged,
    is_adapter,
    read_json,
    read_tensors,
    sha256,
    weight_files,
)
from codecompose_ls.models.manifest import check_unchanged

__all__ = ["Architecture", "Array", "Model", "content_hash", "foreign", "load_model"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """Shape of a Llama decoder, under the names of `transformers.LlamaConfig`."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_theta: float
    tie_word_embeddings: bool

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape (rows out, columns in) of every tensor."""
        hidden, inner, width = self.hidden_size, self.intermediate_size, self.head_dim
        queries, keys = self.num_attention_heads * width, self.num_key_value_heads * width
        shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (self.vocab_size, hidden)}
        for number in range(self.num_hidden_layers):
            layer = f"model.layers.{number}."
            shapes |= {
                layer + "input_layernorm.weight": (hidden,),
                layer + "self_attn.q_proj.weight": (queries, hidden),
                layer + "self_attn.k_proj.weight": (keys, hidden),
                layer + "self_attn.v_proj.weight": (keys, hidden),
                layer + "self_attn.o_proj.weight": (hidden, queries),
                layer + "post_attention_layernorm.weight": (hidden,),
                layer + "mlp.gate_proj.weight": (inner, hidden),
                layer + "mlp.up_proj.weight": (inner, hidden),
                layer + "mlp.down_proj.weight": (hidden, inner),
            }
        shapes["model.norm.weight"] = (hidden,)
        if not self.tie_word_embeddings:
            shapes["lm_head.weight"] = (self.vocab_size, hidden)
        return shapes


@dataclass(frozen=True, slots=True)
class Model:
    """What is known of a model before its weights are loaded.

    `context` is the number of positions it was trained with; `content_hash` is the SHA-256 of config.json and weights.
    An adapter's model has the adapter's name and hash, and its base's `folder`. `outdated` says that it was tuned on a
    base that was shipped once, and is not any more; `snippets`, that other files in its prompt have been shown to help.
    """

    folder: Path
    name: str
    architecture: Architecture
    family: str
    context: int
    content_hash: str
    adapter: Adapter | None = None
    outdated: bool = False
    snippets: bool = False

    @property
    def tokenizer_path(self) -> Path:
        return self.folder / TOKENIZER

    @property
    def virtual_tokens(self) -> int:
        """Positions that a tuned prefix takes before the first token."""
        return self.adapter.virtual_tokens if self.adapter else 0

    def weights(self) -> dict[str, Array]:
        """Read every tensor as float32, LoRA merged. Raises `ModelError` where one is missing or has another shape."""
        tensors: dict[str, Array] = {}
        for path in weight_files(self.folder):
            tensors |= read_tensors(path)
        for name, shape in self.architecture.shapes().items():
            if name not in tensors:
                raise damaged(self.folder, f"the weights have no tensor {name}")
            if tensors[name].shape != shape:
                raise damaged(self.folder, f"tensor {name} has shape {tensors[name].shape}, config.json says {shape}")
            if not np.isfinite(tensors[name]).all():
                raise damaged(self.folder, f"tensor {name} has values that are not numbers")
        return self.adapter.merge(tensors) if self.adapter else tensors

    def prefix(self) -> Array | None:
        """Return the keys and values of a tuned prefix, (layers, 2, kv_heads, virtual tokens, head_dim), if any."""
        shape = self.architecture
        heads, width = shape.num_key_value_heads, shape.head_dim
        return self.adapter.rows(layers=shape.num_hidden_layers, heads=heads, head_dim=width) if self.adapter else None


def load_model(folder: Path) -> Model:
    """Read a model folder's metadata and check that its files belong together. Raises `ModelError`."""
    if not folder.is_dir():
        raise ModelError(f"no model at {folder}: set 'model' to a folder with a model, or to 'base'")
    return _on_its_base(folder) if is_adapter(folder) else _with_its_own_weights(folder)


def _with_its_own_weights(folder: Path) -> Model:
    architecture = _architecture(folder, read_json(folder / CONFIG))
    metadata = read_json(folder / METADATA)
    family, context, tokenizer_hash = _said(folder, metadata)
    if tokenizer_hash is not None and sha256(folder / TOKENIZER) != tokenizer_hash:
        raise damaged(folder, "tokenizer.json is not the one the model was trained with (its hash differs)")
    model = Model(folder, folder.name, architecture, family, context, content_hash(folder))
    check_unchanged(folder, model.content_hash)
    return replace(model, outdated=is_outdated(metadata), snippets=metadata.get("snippets") is True)


def _on_its_base(folder: Path) -> Model:
    metadata, adapter = read_json(folder / METADATA), read_adapter(folder)
    check_unchanged(folder, content_hash(folder))
    family, context, tokenizer_hash = _said(folder, metadata)
    base = _with_its_own_weights(base_folder(folder))
    if base.content_hash != adapter.base_hash:
        raise damaged(base.folder, "its weights have changed since the registry took them")
    if tokenizer_hash is not None and sha256(base.tokenizer_path) != tokenizer_hash:
        raise damaged(folder, f"it was tuned with another tokenizer than that of its base '{adapter.base_name}'")
    model = replace(base, name=folder.name, family=family, context=context, adapter=adapter)
    whole = content_hash(folder, base=base.content_hash)
    snippets = metadata.get("snippets", base.snippets) is True
    return replace(model, content_hash=whole, outdated=is_outdated(metadata), snippets=snippets)


def _said(folder: Path, metadata: Mapping[str, Any]) -> tuple[str, int, object]:
    """Return family, context and the tokenizer's hash."""
    family, context = metadata.get("family"), metadata.get("context")
    if not isinstance(family, str) or not isinstance(context, int) or context < 1:
        raise damaged(folder, "codecompose.json needs 'family' (a string) and 'context' (a positive number)")
    return family, context, metadata.get("tokenizer_hash")


def foreign(config: Mapping[str, Any]) -> str:
    """Say what in a config.json is not as in the Llama decoders that we know; nothing if it describes one."""
    rope = _rope(config) if isinstance(_rope(config), dict) else {}
    expected = {
        "model_type": (config.get("model_type"), "llama"),
        "hidden_act": (config.get("hidden_act", "silu"), "silu"),
        "attention_bias": (config.get("attention_bias", False), False),
        "mlp_bias": (config.get("mlp_bias", False), False),
        "rope_type": (rope.get("rope_type", rope.get("type", "default")), "default"),
    }
    differing = ((key, *values) for key, values in expected.items() if values[0] != values[1])
    return next((f"config.json says {key} {value!r}, we know {known!r}" for key, value, known in differing), "")


def _rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    rope: Mapping[str, Any] = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return rope


def _architecture(folder: Path, config: Mapping[str, Any]) -> Architecture:
    """Read config.json; what it leaves out has the default of LlamaConfig."""
    rope = _rope(config)
    if not isinstance(rope, dict):
        raise damaged(folder, f"config.json says {rope!r} where the parameters of rotary positions belong")
    if difference := foreign(config):
        raise ModelError(f"the model at {folder} cannot be served: {difference}")
    try:
        heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
        architecture = Architecture(
            vocab_size=int(config["vocab_size"]),
            hidden_size=hidden,
            intermediate_size=int(config["intermediate_size"]),
            num_hidden_layers=int(config["num_hidden_layers"]),
            num_attention_heads=heads,
            num_key_value_heads=int(config.get("num_key_value_heads") or heads),
            head_dim=int(config.get("head_dim") or hidden // heads),
            rms_norm_eps=float(config.get("rms_norm_eps", 1e-6)),
            rope_theta=float(rope.get("rope_theta") or config.get("rope_theta", 10_000.0)),
            tie_word_embeddings=bool(config.get("tie_word_embeddings", False)),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise damaged(folder, f"config.json lacks a usable value ({type(error).__name__}: {error})") from error
    for name, value in asdict(architecture).items():
        if name != "tie_word_embeddings" and not 0 < value < 2**31:
            raise damaged(folder, f"config.json says {name} {value}")
    if heads % architecture.num_key_value_heads:
        raise damaged(folder, f"{heads} heads cannot share {architecture.num_key_value_heads} heads of keys and values")
    if architecture.head_dim % 2:
        raise damaged(folder, f"rotary positions need an even head_dim, not {architecture.head_dim}")
    return architecture
