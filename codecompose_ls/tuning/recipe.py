"""The recipe of a run: what makes two runs the same run, so that a checkpoint is taken up only under an equal one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from codecompose_ls.tuning.network import PRESETS, NetworkConfig


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything but the machine, the budget, the corpus and the tokenizer."""

    size: str = "7m"
    seed: int = 0
    tokens_per_step: int = 4096
    learning_rate: float = 0.003
    weight_decay: float = 0.05
    warm_up_steps: int = 60
    gradient_clip: float = 1.0
    #: A step's rows are all of one length, drawn from these shares of the model's context with these odds.
    row_shares: tuple[float, ...] = (0.25, 0.5, 1.0)
    row_odds: tuple[float, ...] = (0.35, 0.4, 0.25)

    @property
    def network(self) -> NetworkConfig:
        """The shape of the network."""
        return PRESETS[self.size]

    def row_length(self, step: int) -> int:
        """Return the row length, in tokens, of one step."""
        share = np.random.default_rng((self.seed, step)).choice(self.row_shares, p=self.row_odds)
        return int(self.network.context * share)

    def identity(self, tokenizer_hash: str) -> dict[str, Any]:
        """Return what a checkpoint says about its run, as JSON gives it back."""
        ours = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return ours | {"network": asdict(self.network), "tokenizer": tokenizer_hash}


def differences(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """Return how a checkpoint's identity differs from ours, a phrase for each entry."""
    return [
        f"{key} was {theirs.get(key)}, is {ours.get(key)}" for key in ours | theirs if theirs.get(key) != ours.get(key)
    ]
