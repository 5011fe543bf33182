"""From a network to a model on disk: Hugging Face names, bf16 safetensors in shards under 16 MiB, codecompose.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from tokenizers import Tokenizer
from torch import Tensor

from codecompose_ls.prompt.templates import CODECOMPOSE
from codecompose_ls.tuning.atomic_file import atomic_file
from codecompose_ls.tuning.network import Network, NetworkConfig
from codecompose_ls.tuning.tokenizer import Encoder, tokenizer_hash

SHARD_BYTES = 15 * 2**20


def hugging_face_tensors(network: Network) -> dict[str, Tensor]:
    """Return the weights under LlamaForCausalLM's names, what was fused taken apart. The head is the embedding."""
    config = network.config
    source = network.state_dict()
    widths = [config.heads * config.head_dim, config.kv_heads * config.head_dim, config.kv_heads * config.head_dim]
    tensors = {"model.embed_tokens.weight": source["embedding.weight"], "model.norm.weight": source["norm.weight"]}
    for number in range(config.layers):
        ours, theirs = f"blocks.{number}.", f"model.layers.{number}."
        q, k, v = source[ours + "attention.qkv.weight"].split(widths)
        gate, up = source[ours + "ffn.gate_up.weight"].chunk(2)
        tensors |= {
            theirs + "input_layernorm.weight": source[ours + "attention_norm.weight"],
            theirs + "self_attn.q_proj.weight": q,
            theirs + "self_attn.k_proj.weight": k,
            theirs + "self_attn.v_proj.weight": v,
            theirs + "self_attn.o_proj.weight": source[ours + "attention.out.weight"],
            theirs + "post_attention_layernorm.weight": source[ours + "ffn_norm.weight"],
            theirs + "mlp.gate_proj.weight": gate,
            theirs + "mlp.up_proj.weight": up,
            theirs + "mlp.down_proj.weight": source[ours + "ffn.down.weight"],
        }
    return tensors


def network_from_hugging_face(config: NetworkConfig, tensors: Mapping[str, Tensor]) -> Network:
    """Build a network from weights under LlamaForCausalLM's names: the inverse of `hugging_face_tensors`."""
    network = Network(config)
    state = {"embedding.weight": tensors["model.embed_tokens.weight"], "norm.weight": tensors["model.norm.weight"]}
    for number in range(config.layers):
        ours, theirs = f"blocks.{number}.", f"model.layers.{number}."
        state |= {
            ours + "attention_norm.weight": tensors[theirs + "input_layernorm.weight"],
            ours + "attention.qkv.weight": torch.cat([tensors[f"{theirs}self_attn.{x}_proj.weight"] for x in "qkv"]),
            ours + "attention.out.weight": tensors[theirs + "self_attn.o_proj.weight"],
            ours + "ffn_norm.weight": tensors[theirs + "post_attention_layernorm.weight"],
            ours + "ffn.gate_up.weight": torch.cat([tensors[f"{theirs}mlp.{x}_proj.weight"] for x in ("gate", "up")]),
            ours + "ffn.down.weight": tensors[theirs + "mlp.down_proj.weight"],
        }
    network.load_state_dict(state)
    return network


def hugging_face_config(config: NetworkConfig, *, end: int) -> dict[str, Any]:
    """Return config.json for LlamaForCausalLM; `end` is the end-of-text token's id."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocabulary,
        "hidden_size": config.hidden,
        "intermediate_size": config.ffn,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": config.context,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "initializer_range": 0.02,
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
        "dtype": "bfloat16",
        "torch_dtype": "bfloat16",
    }


def export(
    folder: Path,
    network: Network,
    tokenizer: Tokenizer,
    *,
    provenance: Mapping[str, Any],
    evaluation: Mapping[str, Any],
) -> None:
    """Write the model folder; files of an earlier export are replaced one by one, each whole."""
    folder.mkdir(parents=True, exist_ok=True)
    end = Encoder(tokenizer).end
    tensors = {
        name: value.detach().to("cpu", torch.bfloat16).contiguous()
        for name, value in hugging_face_tensors(network).items()
    }
    names = write_weights(folder, tensors)
    with atomic_file(folder / "tokenizer.json") as partial:
        tokenizer.save(str(partial), pretty=False)
    write_json(folder / "config.json", hugging_face_config(network.config, end=end))
    write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": CODECOMPOSE.stop[0]},
    )
    write_json(
        folder / "codecompose.json",
        {
            "family": CODECOMPOSE.family,
            "template": asdict(CODECOMPOSE),
            "context": network.config.context,
            "tokenizer_hash": tokenizer_hash(tokenizer),
            "provenance": dict(provenance),
            "evaluation": dict(evaluation),
        },
    )
    for stale in folder.glob("model*"):
        if stale.name not in names:
            stale.unlink()


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON for people and machines; the file appears whole."""
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def write_weights(folder: Path, tensors: Mapping[str, Tensor]) -> set[str]:
    """Write tensors as model*.safetensors, in shards under 16 MiB; return the names of the files."""
    shards = _shards(tensors)
    total = len(shards)
    names = (
        ["model.safetensors"]
        if total == 1
        else [f"model-{n:05d}-of-{total:05d}.safetensors" for n in range(1, total + 1)]
    )
    # All are written before the first takes its place: shards of two exports are together for a moment only.
    with ExitStack() as stack:
        for name, shard in zip(names, shards, strict=True):
            partial = stack.enter_context(atomic_file(folder / name))
            partial.write_bytes(save(shard, {"format": "pt"}))
    if total == 1:
        return set(names)
    index = {
        "metadata": {"total_size": sum(value.nbytes for value in tensors.values())},
        "weight_map": {key: name for name, shard in zip(names, shards, strict=True) for key in shard},
    }
    write_json(folder / "model.safetensors.index.json", index)
    return {*names, "model.safetensors.index.json"}


def _shards(tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Fill shards in order, each at most SHARD_BYTES unless one tensor alone is larger."""
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, value in tensors.items():
        if shards[-1] and size + value.nbytes > SHARD_BYTES:
            shards.append({})
            size = 0
        shards[-1][name] = value
        size += value.nbytes
    return shards
