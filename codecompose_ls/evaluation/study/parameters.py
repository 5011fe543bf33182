"""How many parameters each strategy trains (P-07), counted on models without weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The seed's own model, by transformers' defaults for it.
BART_LARGE = "BART-large"


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a strategy trains of a model; `total` counts what it adds, too, and `percent` is 100 * trained / total."""

    model: str
    strategy: str
    total: int
    trained: int
    percent: float


def parameters(base: Path, strategies: Sequence[str]) -> Iterator[Parameters]:
    """Yield what the strategies train of a base and, as in the seed, of BART-large."""
    from transformers import AutoConfig, BartConfig

    for name, config in (
        (base.name, AutoConfig.from_pretrained(base, local_files_only=True)),
        (BART_LARGE, BartConfig()),
    ):
        for strategy in strategies:
            yield _counted(name, config, strategy)


def _counted(name: str, config: Any, strategy: str) -> Parameters:
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    from codecompose_ls.tuning.strategies import apply, trained_parameters
    from codecompose_ls.tuning.tuning_recipe import TuningRecipe

    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    with torch.device("meta"):
        network = auto.from_config(config)  # type: ignore[no-untyped-call]
        model = apply(network, TuningRecipe(strategy=strategy))
    total = sum(parameter.numel() for parameter in model.parameters())
    trained = sum(parameter.numel() for parameter in trained_parameters(model).values())
    return Parameters(name, strategy, total, trained, 100 * trained / total)
