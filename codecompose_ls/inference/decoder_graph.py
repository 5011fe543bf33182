"""The decoder as an ONNX graph with keys and values handed in and out, built from a model's weights without torch.

Inputs    input_ids (1, T) int64; seqlens_k (1,) int32: past + T - 1; total_length () int32: past + T;
          last (1,) int64: -rows; past_key_<layer>, past_value_<layer> (1, kv_heads, capacity, head_dim) float32
Outputs   logits (1, rows, vocabulary) float32 of the last `rows` positions; key_<layer>, value_<layer> like the inputs

A caller that binds one buffer as past_key_0 and as key_0 has its keys appended in place (GroupQueryAttention, one of
ONNX Runtime's contributed operators). The past may be empty, and rewinding is feeding with a smaller past. Only `graph`
imports this module, and only to build: it is what needs `onnx`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from codecompose_ls.inference.quantization import BLOCK, ZERO_POINT, Kernel, quantize
from codecompose_ls.models.model import Architecture, Array, Model

_CONTRIB = "com.microsoft"


def build_graph(model: Model, *, capacity: int, kernel: Kernel) -> bytes:
    """Return the serialised graph, with positions for `capacity` tokens. Raises `ModelError` for unusable weights."""
    shape, graph = model.architecture, _Graph(kernel, model.architecture.rms_norm_eps)
    _decoder(graph, shape, model.weights(), capacity)
    inputs = [
        _value("input_ids", TensorProto.INT64, 1, "tokens"),
        _value("seqlens_k", TensorProto.INT32, 1),
        _value("total_length", TensorProto.INT32),
        _value("last", TensorProto.INT64, 1),
    ]
    outputs = [_value("logits", TensorProto.FLOAT, 1, "rows", shape.vocab_size)]
    for number in range(shape.num_hidden_layers):
        for kind in ("key", "value"):
            dims = (1, shape.num_key_value_heads, "capacity", shape.head_dim)
            inputs.append(_value(f"past_{kind}_{number}", TensorProto.FLOAT, *dims))
            outputs.append(_value(f"{kind}_{number}", TensorProto.FLOAT, *dims))
    proto = helper.make_graph(graph.nodes, "decoder", inputs, outputs, graph.constants)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(_CONTRIB, 1)]
    content: bytes = helper.make_model(proto, opset_imports=opsets, ir_version=10).SerializeToString()
    return content


def _decoder(graph: _Graph, shape: Architecture, weights: Mapping[str, Array], capacity: int) -> None:
    """Add every layer; the addition of a residual and the norm after it are one operator."""
    embedding = "model.embed_tokens.weight"
    hidden = graph.embed(embedding, weights[embedding])
    graph.rotary(capacity, shape.head_dim, shape.rope_theta)
    normed = graph.norm(hidden, weights["model.layers.0.input_layernorm.weight"])
    for number in range(shape.num_hidden_layers):
        layer = f"model.layers.{number}."
        qkv_weights = _stacked(weights, layer + "self_attn.", ("q_proj", "k_proj", "v_proj"))
        qkv = graph.linear(normed, layer + "qkv", qkv_weights)
        attended = graph.attention(qkv, number, heads=shape.num_attention_heads, kv_heads=shape.num_key_value_heads)
        out = graph.linear(attended, layer + "out", weights[layer + "self_attn.o_proj.weight"])
        normed, hidden = graph.add_norm(hidden, out, weights[layer + "post_attention_layernorm.weight"])
        gate_up = graph.linear(normed, layer + "gate_up", _stacked(weights, layer + "mlp.", ("gate_proj", "up_proj")))
        down = graph.linear(graph.swiglu(gate_up), layer + "down", weights[layer + "mlp.down_proj.weight"])
        following = f"model.layers.{number + 1}.input_layernorm.weight"
        normed, hidden = graph.add_norm(hidden, down, weights.get(following, weights["model.norm.weight"]))
    head = embedding if shape.tie_word_embeddings else "lm_head.weight"
    graph.linear(graph.last_rows(normed), head, weights[head], output="logits")


def _stacked(weights: Mapping[str, Array], prefix: str, names: tuple[str, ...]) -> Array:
    return np.concatenate([weights[f"{prefix}{name}.weight"] for name in names])


def _value(name: str, kind: int, *dims: int | str) -> Any:
    return helper.make_tensor_value_info(name, kind, dims)


@dataclass
class _Graph:
    """Nodes and constants as they are added; each method returns the names of its outputs."""

    kernel: Kernel
    epsilon: float
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant once: a tied head finds what the embedding has added."""
        if name not in self._names:
            self._names.add(name)
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def integers(self, name: str, *values: int) -> str:
        return self.constant(name, np.array(values, np.int64))

    def node(
        self, operator: str, inputs: list[str], *, outputs: list[str] | None = None, domain: str = "", **attributes: Any
    ) -> str:
        name = f"{operator}_{len(self.nodes)}"
        outputs = outputs or [name]
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=name, domain=domain, **attributes))
        return outputs[0]

    def linear(self, x: str, name: str, weights: Array, *, output: str | None = None) -> str:
        """Multiply (1, T, columns) by the transpose of `weights` (rows, columns)."""
        outputs = [output] if output else None
        rows, columns = weights.shape
        if self.kernel == "float32":
            return self.node("MatMul", [x, self.constant(name + ".transposed", weights.T)], outputs=outputs)
        # accuracy_level 4: activations are rounded to eight bits too, with a scale for each block of each row.
        sizes = {"K": columns, "N": rows, "bits": 8, "block_size": BLOCK, "accuracy_level": 4}
        return self.node("MatMulNBits", [x, *self.quantized(name, weights)], outputs=outputs, domain=_CONTRIB, **sizes)

    def quantized(self, name: str, weights: Array) -> tuple[str, str]:
        values, scales = quantize(weights)
        return self.constant(name + ".values", values), self.constant(name + ".scales", scales)

    def embed(self, name: str, weights: Array) -> str:
        """Look tokens up: (1, T) to (1, T, columns). In int8 the constants are those of a tied head."""
        if self.kernel == "float32":
            return self.node("Gather", [self.constant(name, weights), "input_ids"])
        values, scales = self.quantized(name, weights)
        found = self.node("Cast", [self.node("Gather", [values, "input_ids"])], to=TensorProto.FLOAT)
        centred = self.node("Sub", [found, self.constant("zero_point", np.array(ZERO_POINT, np.float32))])
        axis = self.integers("last_axis", -1)
        scale = self.node("Unsqueeze", [self.node("Gather", [scales, "input_ids"]), axis])
        scaled = self.node("Mul", [centred, scale])
        flat = self.node("Reshape", [scaled, self.integers("flat", 1, 0, -1)])
        # The last block may have been filled up.
        start, end = self.integers("start", 0), self.integers("width", weights.shape[1])
        return self.node("Slice", [flat, start, end, axis])

    def rotary(self, length: int, head_dim: int, theta: float) -> None:
        """Add cosines and sines (length, head_dim / 2) of rotary positions (Su et al. 2021)."""
        angles = np.outer(np.arange(length), theta ** (-np.arange(0, head_dim, 2) / head_dim))
        self.constant("cos", np.cos(angles).astype(np.float32))
        self.constant("sin", np.sin(angles).astype(np.float32))

    def attention(self, qkv: str, layer: int, *, heads: int, kv_heads: int) -> str:
        inputs = [qkv, "", "", f"past_key_{layer}", f"past_value_{layer}", "seqlens_k", "total_length", "cos", "sin"]
        outputs = [f"attended_{layer}", f"key_{layer}", f"value_{layer}"]
        sizes = {"num_heads": heads, "kv_num_heads": kv_heads, "do_rotary": 1}
        return self.node("GroupQueryAttention", inputs, outputs=outputs, domain=_CONTRIB, **sizes)

    def norm(self, x: str, weights: Array) -> str:
        scale = self.constant("first_norm", weights)
        return self.node("SimplifiedLayerNormalization", [x, scale], axis=-1, epsilon=self.epsilon, stash_type=1)

    def add_norm(self, residual: str, x: str, weights: Array) -> tuple[str, str]:
        """Return the norm of `residual + x`, and that sum."""
        name = f"add_norm_{len(self.nodes)}"
        outputs = [name, "", "", name + ".sum"]
        inputs = [residual, x, self.constant(name + ".weights", weights)]
        self.node("SkipSimplifiedLayerNormalization", inputs, outputs=outputs, domain=_CONTRIB, epsilon=self.epsilon)
        return outputs[0], outputs[3]

    def swiglu(self, gate_up: str) -> str:
        """Multiply the second half of the columns by SiLU of the first (Shazeer 2020)."""
        name = f"swiglu_{len(self.nodes)}"
        gate, up = name + ".gate", name + ".up"
        self.node("Split", [gate_up], outputs=[gate, up], axis=-1, num_outputs=2)
        # QuickGelu is x * sigmoid(alpha * x).
        return self.node("Mul", [self.node("QuickGelu", [gate], domain=_CONTRIB, alpha=1.0), up])

    def last_rows(self, x: str) -> str:
        end, axis = self.integers("end", np.iinfo(np.int64).max), self.integers("row_axis", 1)
        return self.node("Slice", [x, "last", end, axis])
