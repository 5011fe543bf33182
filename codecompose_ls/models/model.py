"""A model on disk (DESIGN.md 4): a folder in Hugging Face's layout with a `codecompose.json`; read without torch.

    config.json                      a Llama decoder (`LlamaForCausalLM`)
    tokenizer.json                   byte-level BPE (the `tokenizers` library)
    model*.safetensors               float32, float16 or bfloat16; one file, or shards with model.safetensors.index.json
    codecompose.json                 family, context, tokenizer_hash, provenance, evaluation

Whatever is missing, damaged or of another kind raises `ModelError` with one line that says what to do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from codecompose_ls.errors import ModelError

Array = NDArray[np.float32]


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
    """

    folder: Path
    name: str
    architecture: Architecture
    family: str
    context: int
    content_hash: str

    @property
    def tokenizer_path(self) -> Path:
        return self.folder / "tokenizer.json"

    def weights(self) -> dict[str, Array]:
        """Read every tensor as float32. Raises `ModelError` where one is missing or has another shape."""
        tensors: dict[str, Array] = {}
        for path in _weight_files(self.folder):
            tensors |= _read_tensors(path)
        for name, shape in self.architecture.shapes().items():
            if name not in tensors:
                raise _damaged(self.folder, f"the weights have no tensor {name}")
            if tensors[name].shape != shape:
                raise _damaged(self.folder, f"tensor {name} has shape {tensors[name].shape}, config.json says {shape}")
            if not np.isfinite(tensors[name]).all():
                raise _damaged(self.folder, f"tensor {name} has values that are not numbers")
        return tensors


def load_model(folder: Path) -> Model:
    """Read a model folder's metadata and check that its files belong together. Raises `ModelError`."""
    if not folder.is_dir():
        raise ModelError(f"no model at {folder}: set 'model' to a folder with a model, or to 'base'")
    architecture = _architecture(folder, _read_json(folder / "config.json"))
    metadata = _read_json(folder / "codecompose.json")
    family, context = metadata.get("family"), metadata.get("context")
    if not isinstance(family, str) or not isinstance(context, int) or context < 1:
        raise _damaged(folder, "codecompose.json needs 'family' (a string) and 'context' (a positive number)")
    _check_tokenizer(folder, metadata.get("tokenizer_hash"))
    return Model(
        folder=folder,
        name=folder.name,
        architecture=architecture,
        family=family,
        context=context,
        content_hash=content_hash(folder),
    )


def _architecture(folder: Path, config: Mapping[str, Any]) -> Architecture:
    """Read config.json; what it leaves out has the default of LlamaConfig."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(rope, dict):
        raise _damaged(folder, f"config.json says {rope!r} where the parameters of rotary positions belong")
    expected = {
        "model_type": (config.get("model_type"), "llama"),
        "hidden_act": (config.get("hidden_act", "silu"), "silu"),
        "attention_bias": (config.get("attention_bias", False), False),
        "mlp_bias": (config.get("mlp_bias", False), False),
        "rope_type": (rope.get("rope_type", rope.get("type", "default")), "default"),
    }
    for key, (value, known) in expected.items():
        if value != known:
            raise ModelError(
                f"the model at {folder} cannot be served: config.json says {key} {value!r}, we know {known!r}"
            )
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
        raise _damaged(folder, f"config.json lacks a usable value ({type(error).__name__}: {error})") from error
    for name, value in asdict(architecture).items():
        if name != "tie_word_embeddings" and not 0 < value < 2**31:
            raise _damaged(folder, f"config.json says {name} {value}")
    if heads % architecture.num_key_value_heads:
        raise _damaged(
            folder, f"{heads} heads cannot share {architecture.num_key_value_heads} heads of keys and values"
        )
    if architecture.head_dim % 2:
        raise _damaged(folder, f"rotary positions need an even head_dim, not {architecture.head_dim}")
    return architecture


def _check_tokenizer(folder: Path, expected: object) -> None:
    path = folder / "tokenizer.json"
    found = hashlib.sha256(_read_bytes(path)).hexdigest()
    if expected is not None and found != expected:
        raise _damaged(folder, "tokenizer.json is not the one the model was trained with (its hash differs)")


def content_hash(folder: Path) -> str:
    """Return the SHA-256 of a folder's config.json and weights, of whatever architecture. Raises `ModelError`."""
    digest = hashlib.sha256()
    for path in (folder / "config.json", *_weight_files(folder)):
        digest.update(f"\n{path.name}\n".encode())
        with _open(path) as file:
            # In pieces: what is read at once stays with the process.
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _weight_files(folder: Path) -> list[Path]:
    """Return the shards that the index lists, or the one file."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return [folder / "model.safetensors"]
    shards = _read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not shards or not all(isinstance(name, str) for name in shards.values()):
        raise _damaged(folder, f"{index.name} has no 'weight_map'")
    # Only a file name: an index must not reach outside its folder.
    return [folder / Path(name).name for name in sorted(set(shards.values()))]


def _read_tensors(path: Path) -> dict[str, Array]:
    from safetensors import SafetensorError, deserialize

    try:
        entries = deserialize(_read_bytes(path))  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise _damaged(path.parent, f"{path.name} is not a whole safetensors file ({error})") from error
    return {name: _float32(path, entry["dtype"], entry["data"]).reshape(entry["shape"]) for name, entry in entries}


def _float32(path: Path, dtype: str, data: bytes) -> Array:
    if dtype == "BF16":
        # A bfloat16 is the upper half of a float32.
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    if dtype in ("F16", "F32"):
        return np.frombuffer(data, f"<f{2 if dtype == 'F16' else 4}").astype(np.float32)
    raise ModelError(f"{path} holds {dtype} tensors; export the model as bfloat16, float16 or float32")


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(_read_bytes(path))
    except ValueError as error:
        raise _damaged(path.parent, f"{path.name} is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise _damaged(path.parent, f"{path.name} is not a JSON object")
    return value


def _read_bytes(path: Path) -> bytes:
    with _open(path) as file:
        return file.read()


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise _damaged(path.parent, f"{path.name} is missing") from error
    except OSError as error:
        raise _damaged(path.parent, f"{path.name} cannot be read ({error.strerror})") from error


def _damaged(folder: Path, what: str) -> ModelError:
    mend = "copy or export it again, or set 'model' to 'base'"
    return ModelError(f"the model at {folder} cannot be used: {what}; {mend}")
