"""Tiny random models for tests: complete folders, written in some milliseconds, that answer nonsense for ever alike."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from codecompose_ls.models.model import Architecture
from codecompose_ls.prompt.templates import CODECOMPOSE

TINY = Architecture(
    vocab_size=512,
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    rms_norm_eps=1e-5,
    rope_theta=10_000.0,
    tie_word_embeddings=True,
)

#: What the tiny tokenizer learns from; small, with more than ASCII in it.
LINES = [
    "def greet(name: str) -> str:\n    return f'hello {name}'\n",
    "class Stack:\n    def __init__(self) -> None:\n        self.items = []\n",
    "for index, value in enumerate(values):\n    print(index, value)\n",
    "# größer, naïve, 日本語, 🙂\n",
]


def tiny_model(
    folder: Path,
    *,
    architecture: Architecture = TINY,
    context: int = 256,
    seed: int = 0,
    weights: dict[str, np.ndarray] | None = None,
    shards: int = 1,
    dtype: str = "float32",
) -> Path:
    """Write a model folder with these or random weights and return it; `dtype` is float32, float16 or bfloat16."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tiny_tokenizer(architecture.vocab_size)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    weights = weights or random_weights(architecture, seed=seed)
    _write_weights(folder, weights, shards=shards, dtype=dtype)
    config = asdict(architecture)
    config["rope_parameters"] = {"rope_type": "default", "rope_theta": config.pop("rope_theta")}
    config |= {"model_type": "llama", "hidden_act": "silu", "max_position_embeddings": context}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    metadata = {
        "family": CODECOMPOSE.family,
        "context": context,
        "tokenizer_hash": hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest(),
        "provenance": {},
        "evaluation": {},
    }
    (folder / "codecompose.json").write_text(json.dumps(metadata), encoding="utf-8")
    return folder


def silent_model(folder: Path, *, wishes: tuple[str, ...] = ("<|endoftext|>", "\n", "    ", "print")) -> Path:
    """Write a model that always wants the first of these tokens; where it may not have it, the next one."""
    tokenizer, architecture = tiny_tokenizer(), replace(TINY, tie_word_embeddings=False)
    weights = random_weights(architecture)
    # One channel is alike for all tokens, and it alone decides: it is about 8 once it is normalised.
    weights["model.embed_tokens.weight"][:, 0] = 50
    weights["model.norm.weight"][0] = 1
    weights["lm_head.weight"][:] = 0
    for rank, token in enumerate(wishes):
        weights["lm_head.weight"][one_token(tokenizer, token), 0] = 0.5 * (len(wishes) - rank)
    return tiny_model(folder, architecture=architecture, weights=weights)


def one_token(tokenizer: Tokenizer, text: str) -> int:
    """Return the id of a sentinel or of a text that is one token."""
    (number,) = tokenizer.encode(text).ids
    return int(number)


def tiny_tokenizer(vocabulary: int = TINY.vocab_size) -> Tokenizer:
    """Return a byte-level BPE with our sentinels, trained on `LINES`; a line break with its indentation is a piece."""
    tokenizer = Tokenizer(models.BPE())
    pieces = Regex(r"\n+[ \t]*| ?[\p{L}_][\p{L}\p{N}_]*| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}_]+|[^\S\n]+")
    split = pre_tokenizers.Split(pieces, behavior="isolated")
    bytes_of = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_of])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(CODECOMPOSE.sentinels),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(LINES, trainer)
    return tokenizer


def random_weights(architecture: Architecture, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw every tensor, wide enough that each part of the network changes the logits."""
    random = np.random.default_rng(seed)
    weights = {}
    for name, shape in architecture.shapes().items():
        values = random.normal(1, 0.2, shape) if len(shape) == 1 else random.normal(0, 1.5 / shape[1] ** 0.5, shape)
        weights[name] = values.astype(np.float32)
    return weights


def _write_weights(folder: Path, weights: dict[str, np.ndarray], *, shards: int, dtype: str) -> None:
    if dtype == "bfloat16":
        import ml_dtypes

        weights = {name: value.astype(ml_dtypes.bfloat16) for name, value in weights.items()}
    else:
        weights = {name: value.astype(dtype) for name, value in weights.items()}
    if shards == 1:
        save_file(weights, folder / "model.safetensors")
        return
    files = [f"model-{number:05d}-of-{shards:05d}.safetensors" for number in range(1, shards + 1)]
    weight_map = {name: files[place % shards] for place, name in enumerate(weights)}
    for file in files:
        save_file({name: value for name, value in weights.items() if weight_map[name] == file}, folder / file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
