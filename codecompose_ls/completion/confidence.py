"""How sure a suggestion is: the probability that its first line is exactly what would be written, 0 to 1.

A logistic regression (Platt scaling) on how likely its tokens were, which is to the model and the index together;
calibrated on the history of projects that neither was made from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from codecompose_ls.types import Piece

#: Log probabilities beyond are all the same.
LEAST, MOST = -12.0, -0.002


@dataclass(frozen=True, slots=True)
class Features:
    """What a confidence is made of, about the first line with anything on it."""

    #: The log odds of the line and the token that ended it.
    line: float = 0.0
    #: Those of its least likely token: one doubt decides more than many likely tokens.
    weakest: float = 0.0
    #: Whether the model ended the text itself, and no stop rule or limit.
    by_itself: bool = True
    #: Whether more lines follow.
    several: bool = False

    @classmethod
    def of(cls, text: str, pieces: Sequence[Piece]) -> Features:
        """Return what the confidence in `text` is made of, given the pieces it came in from its first character on."""
        end, place = line_end(text), 0
        line: list[float] = []
        for piece in pieces:
            line.append(piece.logprob)
            if place >= end:
                break
            place += len(piece.text)
        return cls(
            line=log_odds(sum(line)),
            weakest=log_odds(min(line, default=0.0)),
            by_itself=any(piece.finish == "stop" for piece in pieces),
            several="\n" in text[end:],
        )


def confidence(features: Features) -> float:
    """Return the probability that the first line is exactly right."""
    return 1 / (1 + math.exp(-(BIAS + sum(WEIGHTS[name] * value for name, value in asdict(features).items()))))


def aligned(text: str, pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Return the pieces from the first character of `text` on, which is what filters left of them."""
    generated = "".join(piece.text for piece in pieces)
    return remaining(pieces, max(0, generated.find(text[: line_end(text)])))


def remaining(pieces: Sequence[Piece], characters: int) -> tuple[Piece, ...]:
    """Return the pieces without so many characters; what is left of one keeps its share of the logarithm."""
    return tuple(_remaining(pieces, characters))


def _remaining(pieces: Sequence[Piece], characters: int) -> Iterator[Piece]:
    for piece in pieces:
        if characters <= 0:
            yield piece
        elif characters < len(piece.text):
            left = piece.text[characters:]
            yield replace(piece, text=left, logprob=piece.logprob * len(left) / len(piece.text))
        characters -= len(piece.text)


def line_end(text: str) -> int:
    """Return where the first line with anything on it ends."""
    end = text.find("\n", len(text) - len(text.lstrip()))
    return len(text) if end < 0 else end


def log_odds(logprob: float) -> float:
    """Return the log odds of what has this log probability, both within limits."""
    logprob = min(max(logprob, LEAST), MOST)
    return logprob - math.log(-math.expm1(logprob))


#: By `scripts/fit_confidence.py`, whose output takes this place.
BIAS = -0.556
WEIGHTS: dict[str, float] = {
    "line": 0.328,
    "weakest": 0.786,
    "by_itself": -0.498,
    "several": -1.299,
}
#: The least confidence that shows up by itself, for each choice of the setting `eagerness`.
THRESHOLDS: dict[str, float] = {"low": 0.50, "balanced": 0.10, "high": 0.00}
