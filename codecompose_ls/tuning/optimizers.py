"""Which optimiser updates which weights: Muon the matrices inside the blocks, AdamW the embeddings and norms."""

from __future__ import annotations

import torch

from codecompose_ls.tuning.machine import Machine
from codecompose_ls.tuning.muon import Muon
from codecompose_ls.tuning.network import Network
from codecompose_ls.tuning.recipe import Recipe


def make_optimizers(network: Network, recipe: Recipe, machine: Machine) -> dict[str, torch.optim.Optimizer]:
    """Return the optimisers by the names that checkpoints know them by."""
    matrices = [p for p in network.blocks.parameters() if p.dim() == 2]
    chosen = {id(p) for p in matrices}
    others = [p for p in network.parameters() if id(p) not in chosen]
    dtype = torch.bfloat16 if machine.precision == "bf16" else torch.float32
    return {
        "muon": Muon(matrices, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, dtype=dtype),
        "adamw": torch.optim.AdamW(others, lr=recipe.learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    }
