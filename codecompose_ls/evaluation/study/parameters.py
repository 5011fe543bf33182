"""How many parameters each strategy trains (P-07): of the study's base and, as in the seed, of BART-large."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: The seed's own model, by transformers' defaults for it.
BART_LARGE = "BART-large"


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a strategy trains of a model; `percent` is 100 * trained / total."""

    model: str
    strategy: str
    total: int
    trained: int
    percent: float


def parameters(base: Path) -> Iterator[Parameters]:
    """Yield a row for each model and strategy there is, counted on models without weights."""
    from transformers import AutoConfig, BartConfig

    from codecompose_ls.tuning.strategies import parameter_table

    configs = {base.name: AutoConfig.from_pretrained(base, local_files_only=True), BART_LARGE: BartConfig()}
    for name, config in configs.items():
        for row in parameter_table(config):
            yield Parameters(name, row.strategy, row.total, row.trained, row.percent)
