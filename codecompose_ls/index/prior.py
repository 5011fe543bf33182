"""What the workspace says comes next: candidates' continuations, as a distribution over the model's tokens.

Candidates are found by lexemes, and their continuations kept as text, so that a cursor in the middle of a word or of a
model's token is nothing special: a continuation is cut where the cursor is and encoded anew from there, as a model
trained on character-level cuts expects it.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from codecompose_ls.index.candidates import MOST, Candidates, Surroundings, runs
from codecompose_ls.index.lexemes import BREAK
from codecompose_ls.index.segment import Places
from codecompose_ls.index.workspace import Workspace
from codecompose_ls.inference.decoding import Opinion
from codecompose_ls.inference.tokenizer import Tokenizer
from codecompose_ls.types import Context

#: Lexemes a continuation has at most.
LONGEST = 48
#: Lexemes before the cursor that are compared.
CONTEXT = 200
#: Where less than this share of the votes went along with what was generated, candidates are looked for anew.
FAITHFUL = 0.3
#: Candidates this far below the best, in nats, do not count.
MARGIN = 6.0
#: What holds a text's first token: no tokenizer we know joins what stands before a space to what stands after it.
_FIRST = re.compile(r"\s*\S{1,32}")

#: Finds the workspace that a document belongs to, and the document's path in it.
Locate = Callable[[Context], tuple[Workspace, str] | None]


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


@dataclass(frozen=True, slots=True)
class Found:
    """Tokens and their shares of the votes, which sum to 1; `strength` is the logarithm of the votes.

    `within_line` is their share of all votes, those among them that were for the line's end and do not count.
    """

    ids: NDArray[np.int64]
    shares: NDArray[np.float32]
    strength: float
    within_line: float


class WorkspacePrior:
    """Implements `inference.decoding.Prior` for one request, whose prompt has `prompt_tokens` tokens.

    `before` and `after` are the whole text around the cursor. `end` is the token that ends a completion of one line;
    with `multiline`, where a line ends is left to the model.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        before: str,
        after: str,
        path: str,
        tokenizer: Tokenizer,
        prompt_tokens: int,
        end: int,
        multiline: bool = False,
    ) -> None:
        self._vocabulary, self._tokenizer, self._decoder = workspace.vocabulary, tokenizer, tokenizer.decoder()
        self._read, self._end, self._multiline = prompt_tokens, end, multiline
        line_start = before.rfind("\n") + 1
        above, self._line = before[:line_start], before[line_start:].lstrip()
        self._lines, line, following = workspace.lexemes(above, self._line, after)
        view = workspace.view()
        self._sources = view.without(path)
        before_cursor = np.concatenate([np.asarray(part, dtype=np.uint32) for part in (self._lines, line)])
        fresh = workspace.fresh(path, above, after)
        self._surroundings = Surroundings(
            before_cursor, following, path=path, words=view.words, rarity=view.rarity, fresh=fresh
        )
        self._generated = ""
        self._votes = self._asked = self._gather()

    def next(self, tokens: Sequence[int]) -> Opinion:
        found = self.consult(tokens)
        if not len(found.ids):
            return found.ids, found.shares, 0.0
        return found.ids, found.shares, weight(found.strength, float(found.shares.max())) * found.within_line

    def consult(self, tokens: Sequence[int]) -> Found:
        """Return what is known of the token after `tokens`; each call goes on from the one before."""
        more = "".join(map(self._decoder.decode, tokens[self._read :]))
        self._read = len(tokens)
        self._generated += more
        votes = self._votes.after(more)
        if votes.total < FAITHFUL * self._asked.total:
            votes = self._asked = self._gather()
        self._votes = votes
        return self._by_token(votes)

    def _by_token(self, votes: Votes) -> Found:
        """Return the votes by the tokens that the continuations begin with."""
        by_token: dict[int, float] = defaultdict(float)
        for token, vote in zip(self._firsts(votes.votes), votes.votes.values(), strict=True):
            if token is not None:
                by_token[token] += vote
        # The end of a line is no answer to begin with, and over several lines it is left to the model.
        ended = by_token.pop(self._end, 0.0) if self._multiline or not self._generated else 0.0
        ids = np.fromiter(by_token, dtype=np.int64, count=len(by_token))
        shares = np.fromiter(by_token.values(), dtype=np.float32, count=len(by_token))
        total = float(shares.sum())
        if not total:
            return Found(ids[:0], shares[:0], -math.inf, 0.0)
        within_line = total / (total + ended) if self._generated else 1.0
        return Found(ids, shares / total, votes.strength + math.log(total), within_line)

    def _firsts(self, lines: Collection[str]) -> Iterator[int | None]:
        """Yield the token that each line begins with, if one can be told; its end's is the one that ends an answer."""
        heads = {} if self._decoder.unfinished else {line: head[0] for line in lines if (head := _FIRST.match(line))}
        firsts = dict(zip(heads, self._tokenizer.firsts(heads.values()), strict=True))
        for line in lines:
            yield self._end if line == "\n" else firsts[line] if line in firsts else self._first(line)

    def _first(self, line: str) -> int | None:
        """Return the token that writes the beginning of a line, or goes on with its first character's bytes."""
        written = self._decoder.unfinished
        for token in self._tokenizer.encode(line):
            if not written:
                return token
            part = self._tokenizer.token_bytes(token)
            if not written.startswith(part):
                return None
            written = written[len(part) :]
        return None

    def _gather(self) -> Votes:
        """Find candidates for what follows the text before the cursor and what was generated."""
        *lines, line = (self._line + self._generated).split("\n")
        begun = _last_word(line)
        context = list(self._lines[-CONTEXT:])
        for one in filter(str.strip, lines):
            context += [*self._vocabulary.lookup(one.lstrip()), BREAK]
        lexemes = self._vocabulary.lookup(line.lstrip())
        context += lexemes[:-1] if begun else lexemes
        ids = np.array(context[-CONTEXT:], dtype=np.uint32)

        wanted = partial(self._vocabulary.begin_with, begun) if begun else None
        most = 10 * MOST if begun else MOST
        found = self._surroundings.candidates(ids, self._sources, allows=wanted, most=most)
        scores = found.scores
        best = float(scores.max()) if len(scores) else 0.0
        numbers = np.flatnonzero(scores > best - MARGIN)
        numbers = numbers[np.argsort(found.source[numbers], kind="stable")]
        votes: dict[str, float] = defaultdict(float)
        for text, score in zip(self._continuations(found, numbers), scores[numbers] - best, strict=True):
            if text.startswith(begun):
                votes[text[len(begun) :]] += math.exp(score)
        return Votes(dict(votes), best)

    def _continuations(self, candidates: Candidates, numbers: Places) -> Iterator[str]:
        """Yield the text from each candidate to the end of its line, break included; or `LONGEST` lexemes of it."""
        lines = candidates.lines(numbers, length=LONGEST)
        texts: dict[bytes, str] = {}
        for line, length in zip(lines, runs(lines > BREAK).tolist(), strict=True):
            # Many propose the same.
            key = line[:length].tobytes()
            if key not in texts:
                texts[key] = self._vocabulary.decode(line[:length].tolist()) + ("\n" if length < LONGEST else "")
            yield texts[key]


def prior_of(locate: Locate) -> Callable[..., WorkspacePrior | None]:
    """Return a `backends.local.PriorOf` that looks a request up in the workspace which `locate` finds."""

    def find(context: Context, *, tokenizer: Tokenizer, prompt_tokens: int, end: int) -> WorkspacePrior | None:
        found = locate(context)
        if found is None:
            return None
        workspace, path = found
        return WorkspacePrior(
            workspace,
            before=context.before,
            after=context.after,
            path=path,
            tokenizer=tokenizer,
            prompt_tokens=prompt_tokens,
            end=end,
            multiline=context.multiline,
        )

    return find


def weight(strength: float, share: float) -> float:
    """Return how much the votes count against the model, 0 to 1, by their strength and how far they agree."""
    return 1 / (1 + math.exp(-(_BIAS + _STRENGTH * strength + _SHARE * share)))


#: Fitted together with the kernel: see `candidates.WEIGHTS`.
_BIAS, _STRENGTH, _SHARE = -3.52, 0.28, 1.87


def _last_word(line: str) -> str:
    """Return the word that the text ends in the middle of, possibly none."""
    start = len(line)
    while start and (line[start - 1].isalnum() or line[start - 1] == "_"):
        start -= 1
    return line[start:]
