"""Which engine runs a model on disk: int8 where it knows the architecture, torch for any other of Hugging Face's."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from codecompose_ls.backends.local import LocalBackend, PriorOf
from codecompose_ls.errors import MissingExtraError
from codecompose_ls.models.bases import base_folder
from codecompose_ls.models.files import CONFIG, METADATA, is_adapter, read_json
from codecompose_ls.models.model import foreign

if TYPE_CHECKING:
    from codecompose_ls.backends.torch import TorchBackend


def load(folder: Path, *, threads: int = 2, prior_of: PriorOf | None = None) -> LocalBackend | TorchBackend:
    """Load a model or an adapter for completing code. Raises `ModelError`, `EngineError` or `MissingExtraError`."""
    if not needs_torch(folder):
        return LocalBackend(folder, threads=threads, prior_of=prior_of)
    base = base_folder(folder) if is_adapter(folder) else folder
    backend = load_on_torch(base, threads=threads, prior_of=prior_of)
    return backend if base == folder else backend.adapted(folder)


def load_on_torch(folder: Path, *, threads: int = 2, prior_of: PriorOf | None = None, fim: bool = True) -> TorchBackend:
    """Load a model with its own weights on torch, whatever it is."""
    if not (find_spec("torch") and find_spec("transformers")):
        raise MissingExtraError("tune", "torch and transformers for this model")
    from codecompose_ls.backends.torch import TorchBackend

    return TorchBackend(folder, threads=threads, prior_of=prior_of, fim=fim)


def needs_torch(folder: Path) -> bool:
    """Tell whether the int8 engine does not know a model, or the base of an adapter; what is missing it will say."""
    base = base_folder(folder) if is_adapter(folder) else folder
    if not (base / CONFIG).is_file():
        return False
    return not (base / METADATA).is_file() or bool(foreign(read_json(base / CONFIG)))
