"""A causal model on disk in Hugging Face's layout, loaded for inference: safetensors only, and no code of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from codecompose_ls.errors import EngineError, ModelError
from codecompose_ls.models.files import CONFIG, METADATA, read_json

#: Where a configuration says how many positions the model was trained with; the last one is of GPT-2's kin.
_POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx")
#: For a model that says nowhere, as those that know positions by distance alone.
_DEFAULT_CAPACITY = 2048


@dataclass(frozen=True, slots=True)
class Network:
    """A model at rest; `kv_shape` is (layers, heads of keys and values, head_dim).

    `capacity` counts the tokens of prompt and answer together; by the configuration `end_ids` end a text.
    """

    folder: Path
    module: Any
    device: torch.device
    capacity: int
    kv_shape: tuple[int, int, int]
    end_ids: frozenset[int]

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.module.dtype
        return dtype


def load_network(folder: Path, *, device: str | None = None) -> Network:
    """Load a model, on a GPU where there is one. Raises `ModelError`, or `EngineError` where memory is short."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    loader: Any = AutoModelForCausalLM
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if read_json(folder / CONFIG).get("is_encoder_decoder"):
        raise ModelError(f"the model at {folder} has an encoder: it can be tuned and studied, but not served")
    try:
        module, report = loader.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            # Processors compute in float32 faster than in half of it.
            dtype=torch.float32 if place.type == "cpu" else "auto",
        )
        module = module.to(place).eval()
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise EngineError(f"there is not enough memory to load {folder.name}; close something and try again") from error
    except Exception as error:  # the library raises OSError, ValueError, KeyError, its own ...
        raise ModelError(f"the model at {folder} cannot be loaded: {_first_line(error)}") from error
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])[0]
        raise ModelError(f"the model at {folder} cannot be used: its weights have no tensor {missing}")
    module.requires_grad_(False)
    return Network(folder, module, place, _capacity(folder, module.config), _probe(folder, module), _end_ids(module))


def _capacity(folder: Path, config: Any) -> int:
    """Return what our own metadata says, or the configuration; the smaller one where both do."""
    said = read_json(folder / METADATA).get("context") if (folder / METADATA).is_file() else None
    known = [getattr(config, name, None) for name in _POSITIONS]
    numbers = [value for value in (said, *known) if isinstance(value, int) and value > 0]
    return min(numbers, default=_DEFAULT_CAPACITY)


def _probe(folder: Path, module: Any) -> tuple[int, int, int]:
    """Return the shape of what is kept of a token, by keeping one. Raises `ModelError` for no keys and values."""
    from transformers import DynamicCache

    cache: Any = DynamicCache()
    try:
        with torch.inference_mode():
            module(input_ids=torch.zeros((1, 1), dtype=torch.long, device=module.device), past_key_values=cache)
        shapes = {(layer.keys.shape[1], layer.keys.shape[3]) for layer in cache.layers}
        shapes |= {(layer.values.shape[1], layer.values.shape[3]) for layer in cache.layers}
        ((heads, head_dim),) = shapes
    except Exception as error:  # each architecture fails in its own way
        raise ModelError(
            f"the model at {folder} cannot be served: {module.config.model_type} keeps more than equal keys and values"
        ) from error
    return len(cache.layers), heads, head_dim


def _end_ids(module: Any) -> frozenset[int]:
    said = module.generation_config.eos_token_id if module.generation_config else module.config.eos_token_id
    return frozenset(said if isinstance(said, list) else [] if said is None else [said])


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
