"""An order to tune: what the command line asks for, and all that can be wrong with it."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path

from codecompose_ls import folders
from codecompose_ls.errors import InputError, MissingExtraError
from codecompose_ls.evaluation.projects import check_folders
from codecompose_ls.evaluation.stages import is_unfinished
from codecompose_ls.evaluation.weights import check_fills, content_of
from codecompose_ls.models import bases, registry
from codecompose_ls.models.files import is_adapter
from codecompose_ls.tuning.tuning_recipe import TuningRecipe

#: Disk space a run takes: weights, optimiser, checkpoints, graphs and copies, as multiples of the base's weights.
_DISK_BASES, _DISK_BYTES = 12, 50 * 2**20


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for. `base` is a name or a folder; `since` as `evaluate --since` has it."""

    folder: Path
    recipe: TuningRecipe
    minutes: float
    base: str = registry.SHIPPED
    since: str | None = None
    replay_from: Path | None = None
    name: str | None = None
    output: Path | None = None
    promote: bool = False
    force: bool = False


def base_of(order: Order) -> Path:
    """Return the base's folder, and say what is wrong with an order now, not minutes later.

    Raises `InputError`, `ModelError` and `MissingExtraError`.
    """
    check_folders([order.folder])
    if order.replay_from is not None and not order.replay_from.is_dir():
        raise InputError(f"--replay-from {order.replay_from}: no such folder")
    if not 0 < order.minutes < float("inf"):
        raise InputError(f"--minutes must be more than 0, not {order.minutes:g}")
    base = registry.resolve(order.base)
    if is_adapter(base):
        raise InputError(f"--model {order.base} is an adapter: name the model it was made for")
    content_hash = content_of(base)
    check_fills(base)
    is_adapted = order.recipe.strategy in ("lora", "prefix")
    if is_adapted and bases.find(content_hash) is None:
        mend = f"codecompose-ls models import {base} first, or take another --strategy"
        raise InputError(f"an adapter needs its base in the registry: {mend}")
    if order.name is not None:
        registry.check_new(order.name)
    if order.output is not None and not _may_be_written(order.output):
        raise InputError(f"--output {order.output}: there is something already; name a folder that is new or empty")
    for package in ("torch", "transformers", "scipy", *(["peft"] if is_adapted else [])):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError("tune", package)
    _check_disk(base)
    return base


def _check_disk(base: Path) -> None:
    weights = sum(path.stat().st_size for path in base.glob("*.safetensors"))
    wanted = _DISK_BASES * weights + _DISK_BYTES
    for folder in (folders.cache(), folders.data()):
        existing = next(place for place in (folder, *folder.parents) if place.exists())
        if (free := shutil.disk_usage(existing).free) < wanted:
            raise InputError(f"{folder}: {free / 1e9:.1f} GB of disk are free, tuning takes {wanted / 1e9:.1f} GB")


def _may_be_written(output: Path) -> bool:
    """Return whether nothing would be lost: a folder that is new or empty, or has what a stopped tune left there."""
    if not output.exists():
        return True
    return output.is_dir() and (not any(output.iterdir()) or is_unfinished(output))
