"""Which optimiser updates which of the weights that a tuning run trains."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from codecompose_ls.tuning.anatomy import describe
from codecompose_ls.tuning.base_model import BaseModel
from codecompose_ls.tuning.machine import Machine
from codecompose_ls.tuning.muon import Muon
from codecompose_ls.tuning.strategies import ADAPTERS
from codecompose_ls.tuning.tuning_recipe import TuningRecipe


def tuning_optimizers(
    base: BaseModel, recipe: TuningRecipe, machine: Machine, trained: Mapping[str, nn.Parameter], *, rate: float
) -> dict[str, torch.optim.Optimizer]:
    """Return the optimisers by the names that checkpoints know them by: AdamW, and Muon for what Muon has made.

    A base of ours has learned the matrices inside its blocks by Muon (`tuning.optimizers`), and goes on with it: in
    half the tokens the loss falls as far. Others were made with AdamW, where Muon gains nothing (Liu et al. 2025, 3.5).
    """
    matrices: list[nn.Parameter] = []
    if base.is_own and recipe.strategy not in ADAPTERS:
        inside = {name for block in describe(base.network).blocks for name in block.names}
        matrices = [value for name, value in trained.items() if name in inside and value.dim() == 2]
    chosen = {id(value) for value in matrices}
    others = [value for value in trained.values() if id(value) not in chosen]
    # Matrices decay; norms and biases do not.
    groups = [
        {"params": [value for value in others if value.dim() > 1], "weight_decay": recipe.weight_decay},
        {"params": [value for value in others if value.dim() <= 1], "weight_decay": 0.0},
    ]
    optimizers: dict[str, torch.optim.Optimizer] = {
        "adamw": torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95), fused=True)
    }
    if matrices:
        dtype = torch.bfloat16 if machine.precision == "bf16" else torch.float32
        optimizers["muon"] = Muon(matrices, lr=rate, weight_decay=recipe.weight_decay, dtype=dtype)
    return optimizers
