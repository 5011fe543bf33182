"""Results: what a run of `evaluate` found, as one JSON file. Every figure in it is defined in docs/metrics.md.

No code and no path is in it, unless the user asked for the code: a report may leave the machine, private code may not.
All figures can be computed again from the outcomes alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.metrics import Interval
from codecompose_ls.tuning.atomic_file import atomic_file

#: Raised when a field changes its meaning or goes; readers refuse what they do not know.
VERSION = 1
#: The name under `--output`.
FILE = "results.json"
#: The project, kind or language of a row over all of them.
ALL = "all"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one predictor made of one case.

    `case` identifies the case in every predictor's outcomes; `path_hash` its file. `hidden_chars` is without trailing
    space. `confidence` is the probability that the suggestion is right (0 to 1). `tokens` and `logprob` (natural, their
    sum) are of the hidden text under the model, None where none was asked. `bleu` holds what BLEU adds up over cases:
    matching n-grams (n = 1 to 4), n-grams suggested (n = 1 to 4), tokens suggested, tokens hidden. `passed`:
    whether the program that a benchmark's suggestion completes passed its tests, None where no code was run.
    """

    predictor: str
    case: str
    project: str
    path_hash: str
    language: str
    kind: str
    hit: bool
    edit_similarity: float
    hidden_chars: int
    answered: bool
    reason: str
    latency_ms: float
    confidence: float | None = None
    tokens: int | None = None
    logprob: float | None = None
    bleu: tuple[int, ...] | None = None
    hidden: str | None = None
    suggested: str | None = None
    passed: bool | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Outcome:
        bleu = value.get("bleu")
        return cls(**{**value, "bleu": None if bleu is None else tuple(bleu)})


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one predictor on a group of cases.

    `project`, `kind` and `language` name the group; `ALL` stands for every one of them. `reasons` counts why it was
    silent. None marks a figure that could not be taken; `pass_at_1` is a benchmark's.
    """

    predictor: str
    project: str
    kind: str
    language: str
    n: int
    exact_match: Interval
    edit_similarity: Interval
    characters_saved: Interval
    answered: Interval
    bleu: float | None
    perplexity: Interval | None
    bits_per_character: Interval | None
    p50_ms: float
    p95_ms: float
    reasons: dict[str, int] = field(default_factory=dict)
    pass_at_1: Interval | None = None
    brier: float | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Row:
        intervals = {name: Interval(**part) for name, part in value.items() if isinstance(part, dict) and "low" in part}
        return cls(**{**value, **intervals})


@dataclass(frozen=True, slots=True)
class Pair:
    """Two predictors on the same n cases of one kind: how often only one of them was right.

    `p_value` is of McNemar's exact test, `p_holm` the same corrected for all pairs compared on these cases.
    """

    first: str
    second: str
    kind: str
    n: int
    only_first: int
    only_second: int
    p_value: float
    p_holm: float


@dataclass(frozen=True, slots=True)
class Results:
    """One run; `conditions` hold what someone else needs to take the same figures."""

    conditions: dict[str, Any]
    rows: tuple[Row, ...]
    comparisons: tuple[Pair, ...]
    outcomes: tuple[Outcome, ...]
    version: int = VERSION

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def save(self, folder: Path) -> Path:
        """Write `results.json` into a folder, which is made, and return its path; raises `InputError`."""
        path = folder / FILE
        try:
            with atomic_file(path) as partial:
                text = json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n"
                # A folder's name may be no text that UTF-8 knows.
                partial.write_text(text, encoding="utf-8", errors="replace")
        except OSError as error:
            raise InputError(f"{path}: the results cannot be written ({error.strerror})") from error
        return path

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read a `results.json`, or the one in a folder; raises `InputError`."""
        path = path / FILE if path.is_dir() else path
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if value["version"] != VERSION:
                raise InputError(f"{path}: written as version {value['version']}, we read {VERSION}; evaluate again")
            return cls(
                conditions=value["conditions"],
                rows=tuple(map(Row.from_json, value["rows"])),
                comparisons=tuple(Pair(**item) for item in value["comparisons"]),
                outcomes=tuple(map(Outcome.from_json, value["outcomes"])),
            )
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: these are no results of `evaluate` ({error}); evaluate again") from error
