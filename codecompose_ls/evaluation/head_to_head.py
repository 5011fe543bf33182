"""Base against tuned on the same cases: exact matches, and how likely the hidden text is to each. Pure functions.

The figures and the test are those of docs/metrics.md, The gate.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from codecompose_ls.errors import InputError, MissingExtraError
from codecompose_ls.evaluation.metrics import Interval, Sums, bootstrap, mcnemar, wilson
from codecompose_ls.evaluation.results import Outcome

#: From so many files on the file is the unit of the test; below, its cases are.
LEAST_FILES = 6


@dataclass(frozen=True, slots=True)
class HeadToHead:
    """Base and tuned on the same n cases of so many files.

    The nats are mean negative log likelihoods of the hidden text, a token; the tuned one is lower by `gain`.
    `p_value` is one-sided, that of no gain, over units ("file" or "case"); `p_exact_match` is McNemar's, two-sided.
    """

    n: int
    files: int
    tokens: int
    base_exact_match: Interval
    tuned_exact_match: Interval
    only_base: int
    only_tuned: int
    p_exact_match: float
    base_nats: float
    tuned_nats: float
    gain: Interval
    p_value: float
    unit: str

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> HeadToHead:
        """Read what `asdict` gave, whatever stands beside it."""
        fields: dict[str, Any] = {item.name: value[item.name] for item in dataclasses.fields(cls)}
        for name, part in fields.items():
            fields[name] = Interval(**part) if isinstance(part, dict) else part
        return cls(**fields)


def head_to_head(base: Sequence[Outcome], tuned: Sequence[Outcome]) -> HeadToHead:
    """Compare two models case by case. Cases without a likelihood, for want of room, count for exact match alone."""
    match = mcnemar([one.hit for one in base], [one.hit for one in tuned])
    files = {one.path_hash for one in base}
    unit = "file" if len(files) >= LEAST_FILES else "case"
    sums = _sums(base, tuned, unit=unit)
    tokens = float(sums[:, 2].sum())
    gain, p_value = Interval(0.0, 0.0, 0.0), 1.0
    if tokens:
        (gain,) = bootstrap(sums, _gain)
        p_value = _wilcoxon(sums[:, 1] - sums[:, 0])
    return HeadToHead(
        n=match.n,
        files=len(files),
        tokens=int(tokens),
        base_exact_match=wilson(sum(one.hit for one in base), match.n),
        tuned_exact_match=wilson(sum(one.hit for one in tuned), match.n),
        only_base=match.only_first,
        only_tuned=match.only_second,
        p_exact_match=match.p_value,
        base_nats=-float(sums[:, 0].sum()) / max(1.0, tokens),
        tuned_nats=-float(sums[:, 1].sum()) / max(1.0, tokens),
        gain=gain,
        p_value=p_value,
        unit=unit,
    )


def _sums(base: Sequence[Outcome], tuned: Sequence[Outcome], *, unit: str) -> Sums:
    """Return log likelihoods of base and tuned and the tokens they are of, (units, 3), summed over each unit."""
    units: dict[str, list[float]] = {}
    for ours, theirs in zip(base, tuned, strict=True):
        if ours.case != theirs.case:
            raise InputError("the outcomes of base and tuned are not of the same cases")
        if ours.logprob is not None and theirs.logprob is not None:
            total = units.setdefault(ours.path_hash if unit == "file" else ours.case, [0.0, 0.0, 0.0])
            for place, value in enumerate((ours.logprob, theirs.logprob, float(ours.tokens or 0))):
                total[place] += value
    return np.array(list(units.values()), dtype=np.float64).reshape(-1, 3)


def _gain(sums: Sums) -> Sums:
    return np.asarray((sums[..., 1] - sums[..., 0]) / np.maximum(sums[..., 2], 1))


def _wilcoxon(differences: Sums) -> float:
    """Return the one-sided p-value of no gain by the signed-rank test (Wilcoxon 1945); 1 where nothing differs.

    Ranks, since a single line that is out of the ordinary must not decide; files, since lines of a file are alike.
    """
    try:
        from scipy.stats import wilcoxon
    except ImportError as error:
        raise MissingExtraError("tune", "scipy") from error
    if not differences.any():
        return 1.0
    return float(wilcoxon(differences, alternative="greater").pvalue)
