"""The recipe of a tuning run: everything but the base, the documents, the machine and the minutes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from codecompose_ls.errors import InputError
from codecompose_ls.tuning.objectives import OBJECTIVES

#: Strategies by name, with the learning rate of each for a model WIDTH wide (AutoDev's full rate is 5e-5 at 2048).
RATES: dict[str, float] = {
    "custom": 5e-5,
    "l_eo": 5e-5,
    "l_ldb": 5e-5,
    "prefix": 8e-3,
    "lora": 1e-3,
    "lora_autodev": 5e-5,
}
WIDTH = 2048
#: Our own base, which Muon has trained at 0.003, bears more (docs/decisions/0015).
OWN_RATES = RATES | {"custom": 1.25e-4, "l_eo": 1.25e-4, "l_ldb": 5e-4}
#: Shorter rows hold no line with what is around it (tokens).
LEAST_LENGTH = 32
LOSSES = ("all", "middle")
SCHEDULES = ("cosine", "linear")


@dataclass(frozen=True, slots=True)
class TuningRecipe:
    """How to tune; `asdict` of it is JSON. Raises InputError where a value cannot be used."""

    #: custom, l_eo, l_ldb, prefix, lora or lora_autodev (tuning/strategies.py).
    strategy: str = "custom"
    #: fim, cm or lcm (tuning/objectives.py).
    objective: str = "lcm"
    #: Peak rate; None is the strategy's own, wider models slower (`rate`).
    learning_rate: float | None = None
    #: Passes over the documents, replay not counted; the deadline may end the run earlier.
    epochs: float = 3.0
    tokens_per_step: int = 2048
    #: Tokens in a row; no more than the base's context, less the virtual tokens.
    length: int = 512
    lora_r: int = 16
    virtual_tokens: int = 200
    #: Share of general code in what is learned from, against forgetting.
    replay: float = 0.1
    #: "all": the prompt is learned as well as the middle (Bavarian et al. 2022, 3.1). A line's middle is 2 % of its
    #: row: with "middle" the rest of an expensive forward pass teaches nothing.
    loss: str = "all"
    weight_decay: float = 0.01
    #: Share of the run in which the rate rises; then it falls as `schedule` says.
    warm_up: float = 0.05
    schedule: str = "cosine"
    gradient_clip: float = 1.0
    #: Measurements of the validation loss, evenly over the run, on at most so many tokens each.
    validations: int = 8
    validation_tokens: int = 8192
    #: Stop after so many measurements without a new best.
    patience: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (
            ("strategy", tuple(RATES)),
            ("objective", tuple(OBJECTIVES)),
            ("loss", LOSSES),
            ("schedule", SCHEDULES),
        ):
            if getattr(self, name) not in known:
                raise InputError(f"no {name} '{getattr(self, name)}': choose one of {', '.join(known)}")
        positive = ("epochs", "tokens_per_step", "length", "lora_r", "virtual_tokens", "validations", "patience")
        for name in (*positive, "validation_tokens", "gradient_clip"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be more than 0, not {getattr(self, name):g}")
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise InputError(f"learning_rate must be more than 0, not {self.learning_rate:g}")
        if not 0 <= self.replay < 1:
            raise InputError(f"replay is a share from 0 to below 1, not {self.replay:g}")

    def rate(self, width: int, *, is_own: bool) -> float:
        """Return the peak learning rate for a base whose residual stream is `width` wide; `is_own`: Muon has made it.

        Without one given it is the strategy's, in inverse proportion to the width (Yang et al. 2022, muP).
        """
        return self.learning_rate or (OWN_RATES if is_own else RATES)[self.strategy] * WIDTH / width

    def identity(self, **facts: Any) -> dict[str, Any]:
        """Return what a checkpoint says about its run, as JSON gives it back."""
        return asdict(self) | facts
