"""Checkpoints: weights, optimiser state and counters in one safetensors file that is there whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from codecompose_ls.errors import ModelError
from codecompose_ls.tuning.atomic_file import atomic_file

_NETWORK = "network"


def save_checkpoint(
    path: Path,
    weights: Mapping[str, Tensor],
    optimizers: Mapping[str, torch.optim.Optimizer],
    state: Mapping[str, Any],
) -> None:
    """Write everything a run needs to go on; `state` is JSON-serialisable."""
    tensors = {f"{_NETWORK}.{name}": value for name, value in weights.items()}
    for key, optimizer in optimizers.items():
        for number, values in optimizer.state_dict()["state"].items():
            tensors |= {f"{key}.{number}.{name}": value for name, value in values.items()}
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with atomic_file(path) as partial:
        # Not save_file: it writes to a file of its own naming, which a kill would leave behind.
        partial.write_bytes(save(tensors, {"state": json.dumps(state)}))


def copy_checkpoint(source: Path, target: Path) -> None:
    """Keep a checkpoint under another name as well."""
    with atomic_file(target) as partial:
        shutil.copyfile(source, partial)


@torch.no_grad()
def load_checkpoint(
    path: Path, weights: Mapping[str, Tensor], optimizers: Mapping[str, torch.optim.Optimizer]
) -> dict[str, Any]:
    """Copy a checkpoint's tensors into the weights and the optimisers; return its state."""
    state = read_state(path)
    groups: dict[str, dict[Any, Any]] = {key: {} for key in (_NETWORK, *optimizers)}
    with safe_open(path, framework="pt") as file:
        for full in file.keys():  # noqa: SIM118 - not a dict
            key, name = full.split(".", 1)
            groups[key][name] = file.get_tensor(full)
    for name, weight in weights.items():
        weight.copy_(groups[_NETWORK][name])
    for key, optimizer in optimizers.items():
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in groups[key].items():
            number, field = name.split(".", 1)
            states.setdefault(int(number), {})[field] = value
        optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    return state


def read_state(path: Path) -> dict[str, Any]:
    """Return a checkpoint's state alone. Raises ModelError where the file is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            state: dict[str, Any] = json.loads((file.metadata() or {})["state"])
            return state
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ModelError(
            f"{path} is not a checkpoint of ours, or is damaged ({error}): delete it to start anew"
        ) from error
