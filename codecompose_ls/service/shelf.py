"""The models of this machine as the service offers them: those of the registry, or those that its owner names."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from codecompose_ls.backends import on_disk
from codecompose_ls.backends.backend import PromptBackend
from codecompose_ls.backends.local import LocalBackend
from codecompose_ls.errors import InputError, ModelError
from codecompose_ls.models.bases import base_folder, base_of
from codecompose_ls.models.files import METADATA, is_adapter, read_json
from codecompose_ls.models.names import BASE, SHIPPED, is_name, models, registered, resolve
from codecompose_ls.service.catalogue import Card, Weights

if TYPE_CHECKING:
    from codecompose_ls.backends.torch import TorchBackend

INT8, TORCH = "int8", "torch"


class DiskShelf:
    """Implements `catalogue.Shelf`.

    `names` are names of the registry or folders, which are then called by their own name; None offers all that the
    registry has. `engine` is "int8", "torch", or "auto": torch where there is a GPU, and where int8 does not know the
    model. Raises `ModelError` for an unknown name.
    """

    def __init__(self, names: Sequence[str] | None = None, *, engine: str = "auto", threads: int = 2) -> None:
        self._named = None if names is None else _called(names)
        self._always_torch = engine == TORCH or (engine == "auto" and _has_gpu())
        self._never_torch = engine == INT8
        self._threads = threads
        # By the folder's stamp: to find an adapter's base, weights are read.
        self._place = lru_cache(maxsize=1024)(self._placed)

    def cards(self) -> list[Card]:
        own = {SHIPPED: BASE} | {folder.name: folder for folder in registered()}
        return [Card(name, _parent(folder)) for name, folder in (own if self._named is None else self._named).items()]

    def find(self, name: str) -> tuple[Weights, Path | None] | None:
        folder = self._folder(name)
        if folder is None or not folder.is_dir():
            return None
        try:
            return self._place(folder, _stamp(folder))
        except FileNotFoundError:  # removed at this moment
            return None

    def load(self, weights: Weights) -> PromptBackend:
        if weights.engine == INT8:
            return LocalBackend(weights.folder, threads=self._threads)
        return on_disk.load_on_torch(weights.folder, threads=self._threads, fim=False)

    def adapt(self, backend: PromptBackend, adapter: Path) -> PromptBackend:
        # Only torch is ever asked: `_placed` gives the int8 engine adapters as weights of their own.
        return cast("TorchBackend", backend).adapted(adapter)

    def _folder(self, name: str) -> Path | None:
        if self._named is not None:
            return self._named.get(name)
        if name == SHIPPED:
            return BASE
        # A name and no path: who asks comes over the network.
        return models() / name if is_name(name) else None

    def _placed(self, folder: Path, stamp: int) -> tuple[Weights, Path | None]:
        if self._never_torch or not (self._always_torch or on_disk.needs_torch(folder)):
            return Weights(folder, INT8, stamp), None
        if not is_adapter(folder):
            return Weights(folder, TORCH, stamp), None
        base = base_folder(folder)
        return Weights(base, TORCH, _stamp(base)), folder


def _called(names: Sequence[str]) -> dict[str, Path]:
    called: dict[str, Path] = {}
    for name in names:
        folder = resolve(name)
        own = name if name == SHIPPED else folder.name
        if called.setdefault(own, folder) != folder:
            raise InputError(f"--model {name}: another model is called '{own}' already; rename its folder")
    return called


def _parent(folder: Path) -> str | None:
    """Return the name of an adapter's base; what is wrong with one is said when it is asked."""
    try:
        return base_of(read_json(folder / METADATA))[0] or None if is_adapter(folder) else None
    except ModelError:
        return None


def _stamp(folder: Path) -> int:
    return folder.stat().st_mtime_ns


def _has_gpu() -> bool:
    # torch takes seconds to import, and on most machines there is nothing to ask it.
    if not (shutil.which("nvidia-smi") and find_spec("torch")):
        return False
    import torch

    return torch.cuda.is_available()
