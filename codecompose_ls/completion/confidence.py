"""How sure a suggestion is: the probability that its first line is exactly what would be written, 0 to 1.

A logistic regression on how likely its tokens were, which is to the model and the index together, and on where it
stands; calibrated on the history of projects that neither was made from.
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
    #: Those of its least likely token.
    weakest: float = 0.0
    #: The logarithm of its length in characters.
    length: float = 0.0
    #: Whether the model ended the text itself, and no stop rule or limit.
    by_itself: bool = True
    #: Whether more lines follow.
    several: bool = False
    #: Whether nothing but indentation stands before it.
    starts_line: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a generation tells of its text: the pieces it came in, from the text's first character to what ended it."""

    pieces: tuple[Piece, ...] = ()
    starts_line: bool = False

    @classmethod
    def of(cls, text: str, pieces: Sequence[Piece], *, starts_line: bool) -> Evidence:
        """Return the evidence for `text`, which is what filters left of the pieces."""
        generated = "".join(piece.text for piece in pieces)
        skipped = max(0, generated.find(text[: line_end(text)]))
        return cls(tuple(_without(pieces, skipped)), starts_line)

    def after(self, typed: int) -> Evidence:
        """Return what is left once so many characters of the text are typed."""
        return replace(self, pieces=tuple(_without(self.pieces, typed)), starts_line=False) if typed else self

    def features(self, text: str) -> Features:
        """Return what the confidence in `text` is made of."""
        end, place = line_end(text), 0
        line: list[float] = []
        for piece in self.pieces:
            line.append(piece.logprob)
            if place >= end:
                break
            place += len(piece.text)
        return Features(
            line=log_odds(sum(line)),
            weakest=log_odds(min(line, default=0.0)),
            length=math.log(1 + len(text[:end].strip())),
            by_itself=any(piece.finish == "stop" for piece in self.pieces),
            several="\n" in text[end:],
            starts_line=self.starts_line,
        )


NO_EVIDENCE = Evidence()


def confidence(features: Features) -> float:
    """Return the probability that the first line is exactly right."""
    return 1 / (1 + math.exp(-(BIAS + sum(WEIGHTS[name] * value for name, value in asdict(features).items()))))


def line_end(text: str) -> int:
    """Return where the first line with anything on it ends."""
    end = text.find("\n", len(text) - len(text.lstrip()))
    return len(text) if end < 0 else end


def log_odds(logprob: float) -> float:
    """Return the log odds of what has this log probability, both within limits."""
    logprob = min(max(logprob, LEAST), MOST)
    return logprob - math.log(-math.expm1(logprob))


def _without(pieces: Sequence[Piece], characters: int) -> Iterator[Piece]:
    """Yield the pieces without so many characters; what is left of one is as likely as its share of the characters."""
    for piece in pieces:
        if characters <= 0:
            yield piece
        elif characters < len(piece.text):
            left = piece.text[characters:]
            yield replace(piece, text=left, logprob=piece.logprob * len(left) / len(piece.text))
        characters -= len(piece.text)


#: Fitted by `python scripts/fit_confidence.py`, whose output takes this place.
BIAS = 0.0
WEIGHTS: dict[str, float] = {
    "line": 1.0,
    "weakest": 0.0,
    "length": 0.0,
    "by_itself": 0.0,
    "several": 0.0,
    "starts_line": 0.0,
}
THRESHOLDS: dict[str, float] = {"low": 0.5, "balanced": 0.2, "high": 0.0}
