"""Where the weights of a model are, and which engine runs them: the int8 engine, or torch where it must be."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from codecompose_ls import folders
from codecompose_ls.backends.backend import PromptBackend
from codecompose_ls.backends.local import LocalBackend
from codecompose_ls.models.registry import resolve
from codecompose_ls.service.catalogue import Card, Catalogue, Placement


def catalogue(*, names: Sequence[str] | None, engine: str, threads: int) -> Catalogue:
    """Return the catalogue of these names, or of all in the registry. Raises `ModelError` for an unknown one."""
    for name in names or ():
        resolve(name)
    cards = _registered if names is None else lambda: [Card(name) for name in names]
    return Catalogue(cards, partial(place, engine=engine), partial(load, threads=threads))


def place(name: str, *, engine: str) -> Placement:
    return Placement(resolve(name), "int8")


def load(placement: Placement, *, threads: int) -> PromptBackend:
    return LocalBackend(placement.folder, threads=threads)


def _registered() -> list[Card]:
    folder = folders.data() / "models"
    found = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return [Card("base"), *(Card(name) for name in found if not name.startswith("."))]
