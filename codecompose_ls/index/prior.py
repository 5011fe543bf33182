"""What the workspace says comes next: candidates' continuations, as a distribution over the model's tokens.

Candidates are found by lexemes, and their continuations kept as text, so that a cursor in the middle of a word or of a
model's token is nothing special: a continuation is cut where the cursor is and encoded anew from there, as a model
trained on character-level cuts expects it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codecompose_ls.index.candidates import MOST, Candidates, Flags, Surroundings
from codecompose_ls.index.lexemes import BREAK, END, Ids
from codecompose_ls.index.workspace import Workspace

#: Lexemes a continuation has at most.
LONGEST = 48
#: Lexemes before the cursor that are compared.
CONTEXT = 200
#: Where less than this share of the votes went along with what was generated, candidates are looked for anew.
FAITHFUL = 0.5
#: Candidates this far below the best, in nats, do not count.
MARGIN = 8.0
#: Characters that hold a continuation's first token.
FIRST = 32

Opinion = tuple[NDArray[np.int64], NDArray[np.float32], float]


@dataclass(frozen=True, slots=True)
class Votes:
    """Continuations of one text, each once, with their votes, relative to exp(strength). They end with their line."""

    votes: dict[str, float]
    strength: float

    def after(self, text: str) -> Votes:
        """Return the votes of those that went along with `text`."""
        return Votes(
            {line[len(text) :]: vote for line, vote in self.votes.items() if line.startswith(text)}, self.strength
        )

    @property
    def total(self) -> float:
        return sum(self.votes.values())


class WorkspacePrior:
    """Implements `inference.decoding.Prior` for one request, whose prompt has `prompt_tokens` tokens.

    `encode` and `decode` are the model's tokenizer's; `end` is the token that ends a line's completion.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        before: str,
        after: str,
        path: str,
        prompt_tokens: int,
        encode: Callable[[str], list[int]],
        decode: Callable[[Sequence[int]], str],
        end: int,
    ) -> None:
        self._vocabulary, self._encode, self._decode = workspace.vocabulary, encode, decode
        self._prompt_tokens, self._end = prompt_tokens, end
        line_start = before.rfind("\n") + 1
        self._line = before[line_start:].lstrip()
        self._lines, line, following = workspace.lexemes(before[:line_start], self._line, after)
        view = workspace.view()
        self._sources = view.without(path)
        self._surroundings = Surroundings(
            [*self._lines, *line], following, path=path, words=view.words, rarity=view.rarity
        )
        self._generated = ""
        self._votes = self._asked = self._gather("")

    def next(self, tokens: Sequence[int]) -> Opinion:
        generated = self._decode(tokens[self._prompt_tokens :])
        if "\n" in generated or "\ufffd" in generated:
            return _SILENCE
        votes = self._votes.after(generated[len(self._generated) :])
        if votes.total < FAITHFUL * self._asked.total:
            votes = self._asked = self._gather(generated)
        self._votes, self._generated = votes, generated
        return self._opinion(votes)

    def _opinion(self, votes: Votes) -> Opinion:
        """Return the votes by the tokens that the continuations begin with."""
        by_token: dict[int, float] = defaultdict(float)
        for line, vote in votes.votes.items():
            if line == "\n" and self._generated:
                by_token[self._end] += vote
            elif line.strip():
                by_token[self._encode(line[:FIRST])[0]] += vote
        if not by_token:
            return _SILENCE
        ids = np.fromiter(by_token, dtype=np.int64, count=len(by_token))
        shares = np.fromiter(by_token.values(), dtype=np.float32, count=len(by_token))
        total = float(shares.sum())
        return ids, shares / total, weight(votes.strength + math.log(total), float(shares.max()) / total)

    def _gather(self, generated: str) -> Votes:
        """Find candidates for what follows the text before the cursor and what was generated."""
        line = self._vocabulary.lookup((self._line + generated).lstrip())
        begun = _last_word(self._line + generated)
        context = np.array([*self._lines, *(line[:-1] if begun else line)][-CONTEXT:], dtype=np.uint32)

        def allows(ids: Ids) -> Flags:
            texts = self._vocabulary.texts
            return np.fromiter((texts[number].startswith(begun) for number in ids), dtype=np.bool_, count=len(ids))

        found = [self._surroundings.in_document(context, allows=allows)]
        for files, hidden in self._sources:
            most = 10 * MOST if begun else MOST
            found.append(self._surroundings.in_files(files, context, hidden=hidden, allows=allows, most=most))
        scores = [candidates.scores for candidates in found]
        best = max((float(part.max()) for part in scores if len(part)), default=0.0)
        votes: dict[str, float] = defaultdict(float)
        for candidates, part in zip(found, scores, strict=True):
            for number in np.flatnonzero(part > best - MARGIN):
                text = self._continuation(candidates, int(number))
                if text.startswith(begun):
                    votes[text[len(begun) :]] += math.exp(part[number] - best)
        return Votes(dict(votes), best)

    def _continuation(self, candidates: Candidates, number: int) -> str:
        """Return the text from a candidate to the end of its line, break included; or `LONGEST` lexemes of it."""
        start = int(candidates.places[number]) + 1
        ids = candidates.files.tokens[start : start + LONGEST].tolist()
        ends = next((place for place, lexeme in enumerate(ids) if lexeme in (END, BREAK)), len(ids))
        exchange = int(candidates.exchange[number])
        if exchange != END:
            was = ids[0]
            ids = [exchange if lexeme == was else lexeme for lexeme in ids]
        return self._vocabulary.decode(ids[:ends]) + ("\n" if ends < len(ids) else "")


def weight(strength: float, share: float) -> float:
    """Return how much the votes count against the model, 0 to 1, by their strength and how far they agree."""
    return 1 / (1 + math.exp(-(_BIAS + _STRENGTH * strength + _SHARE * share)))


#: Fitted together with the kernel: see `candidates.WEIGHTS`.
_BIAS, _STRENGTH, _SHARE = -4.0, 0.35, 2.5

_SILENCE: Opinion = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32), 0.0)


def _last_word(line: str) -> str:
    """Return the word that the text ends in the middle of, possibly none."""
    start = len(line)
    while start and (line[start - 1].isalnum() or line[start - 1] == "_"):
        start -= 1
    return line[start:]
