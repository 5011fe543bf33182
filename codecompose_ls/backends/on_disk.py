"""Which engine runs a model on disk: int8 where it knows the architecture, torch for any other of Hugging Face's."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from codecompose_ls.backends.local import LocalBackend, PriorOf
from codecompose_ls.errors import MissingExtraError, ModelError
from codecompose_ls.models.bases import base_folder
from codecompose_ls.models.files import CONFIG, METADATA, TOKENIZER, is_adapter, read_json
from codecompose_ls.models.model import foreign

if TYPE_CHECKING:
    from codecompose_ls.backends.torch import TorchBackend

#: Where Hugging Face's tokenizers keep a chat template.
_TOKENIZER_CONFIG = "tokenizer_config.json"
_TEMPLATES = ("chat_template.jinja", "chat_template.json", "additional_chat_templates")


def load(folder: Path, *, threads: int = 2, prior_of: PriorOf | None = None) -> LocalBackend | TorchBackend:
    """Load a model or an adapter for completing code. Raises `ModelError`, `EngineError` or `MissingExtraError`."""
    if not needs_torch(folder):
        return LocalBackend(folder, threads=threads, prior_of=prior_of)
    base = base_folder(folder) if is_adapter(folder) else folder
    backend = load_on_torch(base, threads=threads, prior_of=prior_of)
    return backend if base == folder else backend.adapted(folder)


def load_on_torch(folder: Path, *, threads: int = 2, prior_of: PriorOf | None = None, fim: bool = True) -> TorchBackend:
    """Load a model with its own weights on torch, whatever it is."""
    _check_torch()
    from codecompose_ls.backends.torch import TorchBackend

    return TorchBackend(folder, threads=threads, prior_of=prior_of, fim=fim)


def load_chat(folder: Path, *, threads: int = 2) -> TorchBackend:
    """Load a model, or an adapter with its base, for talking. Raises as `load`, `ModelError` where it does not chat."""
    base = base_folder(folder) if is_adapter(folder) else folder
    chat_context(base)
    backend = load_on_torch(base, threads=threads, fim=False)
    return backend if base == folder else backend.adapted(folder)


def chat_context(folder: Path) -> int:
    """Return how many tokens a chat model takes; say what it lacks, as far as a look at its folder tells.

    Raises `MissingExtraError` without torch, `ModelError` for what is no model or has no chat template.
    """
    base = base_folder(folder) if is_adapter(folder) else folder
    for name in (CONFIG, TOKENIZER):
        if not (base / name).is_file():
            raise ModelError(f"the chat model at {base} has no {name}: a model of Hugging Face's is a folder that has")
    said = read_json(base / _TOKENIZER_CONFIG) if (base / _TOKENIZER_CONFIG).is_file() else {}
    if not said.get("chat_template") and not any((base / name).exists() for name in _TEMPLATES):
        raise ModelError(
            f"the model at {base} does not chat: its tokenizer has no chat template; take an instruct model"
        )
    _check_torch()
    length = read_json(base / CONFIG).get("max_position_embeddings")
    return length if isinstance(length, int) else sys.maxsize


def needs_torch(folder: Path) -> bool:
    """Tell whether the int8 engine does not know a model, or the base of an adapter; what is missing it will say."""
    base = base_folder(folder) if is_adapter(folder) else folder
    if not (base / CONFIG).is_file():
        return False
    return not (base / METADATA).is_file() or bool(foreign(read_json(base / CONFIG)))


def _check_torch() -> None:
    if not (find_spec("torch") and find_spec("transformers")):
        raise MissingExtraError("tune", "torch and transformers for this model")
