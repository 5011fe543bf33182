"""Our weights in llama.cpp's file format, so that its server can be asked with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType
from numpy.typing import NDArray

from codecompose_ls.models.model import load_model
from codecompose_ls.prompt.templates import CODECOMPOSE

Array = NDArray[np.float32]

#: Names of a layer's tensors there and here.
LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def write_gguf(folder: Path, path: Path) -> Path:
    """Write the model in `folder` to a GGUF file, in float32, and return its path."""
    model = load_model(folder)
    shape, weights = model.architecture, model.weights()
    writer = GGUFWriter(str(path), "llama")
    writer.add_context_length(model.context)
    writer.add_embedding_length(shape.hidden_size)
    writer.add_block_count(shape.num_hidden_layers)
    writer.add_feed_forward_length(shape.intermediate_size)
    writer.add_head_count(shape.num_attention_heads)
    writer.add_head_count_kv(shape.num_key_value_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(shape.rope_theta)
    writer.add_layer_norm_rms_eps(shape.rms_norm_eps)
    writer.add_vocab_size(shape.vocab_size)
    _write_tokenizer(writer, model.tokenizer_path, size=shape.vocab_size)
    writer.add_tensor("token_embd.weight", weights["model.embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", weights["model.norm.weight"])
    if not shape.tie_word_embeddings:
        writer.add_tensor("output.weight", weights["lm_head.weight"])
    for number in range(shape.num_hidden_layers):
        for there, here in LAYER.items():
            tensor = weights[f"model.layers.{number}.{here}.weight"]
            heads = {"attn_q": shape.num_attention_heads, "attn_k": shape.num_key_value_heads}.get(there)
            writer.add_tensor(f"blk.{number}.{there}.weight", _interleaved(tensor, heads) if heads else tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _interleaved(tensor: Array, heads: int) -> Array:
    """Reorder the rows of each head: its rotary embedding turns neighbours there, and both halves here."""
    rows, columns = tensor.shape
    return tensor.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns).copy()


def _write_tokenizer(writer: GGUFWriter, path: Path, *, size: int) -> None:
    """Write vocabulary and merges; llama.cpp's own rule for cutting text into pieces is like ours, but not the same."""
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    special = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    words = {number: word for word, number in (tokenizer["model"]["vocab"] | special).items()}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([words.get(number, f"<unused {number}>") for number in range(size)])
    writer.add_token_types(
        [TokenType.CONTROL if words.get(number) in special else TokenType.NORMAL for number in range(size)]
    )
    writer.add_token_merges(
        [" ".join(pair) if isinstance(pair, list) else pair for pair in tokenizer["model"]["merges"]]
    )
    writer.add_eos_token_id(special[CODECOMPOSE.stop[0]])
    writer.add_add_bos_token(False)
    for name, sentinel in (("pre", "prefix"), ("suf", "suffix"), ("mid", "middle")):
        writer.add_uint32(f"tokenizer.ggml.fim_{name}_token_id", special[f"<|fim_{sentinel}|>"])
