"""The model on this machine: contexts become prompts, tokens become text, the engine's thread does the work."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

from codecompose_ls.backends.backend import Priority
from codecompose_ls.errors import Cancelled, CodeComposeError, EngineError, ModelError
from codecompose_ls.inference.decoding import Prior, RuledOut, generate
from codecompose_ls.inference.engine import Engine, Work
from codecompose_ls.inference.scoring import score
from codecompose_ls.inference.session import Session
from codecompose_ls.inference.tokenizer import Tokenizer
from codecompose_ls.models.model import Model, load_model
from codecompose_ls.prompt.build import PREFIX_SHARE, SNIPPETS_SHARE, build_prompt
from codecompose_ls.prompt.templates import FAMILIES
from codecompose_ls.prompt.written import written_prompt
from codecompose_ls.types import Context, Piece, Prompt, Sampling, Stop

#: Positions kept free for the answer, so that it stays within those the model was trained with.
ANSWER_TOKENS = 64
#: Tokens of sentinels and metadata, about.
HEADER_TOKENS = 32
#: Characters of code to a token (median 4.1 for Python, 3.0 to 4.1 for the others); what is too many is cut off.
CHARACTERS_PER_TOKEN = 4

#: Said of weights whose base has been replaced by a better one since.
OUTDATED = "tuned on an older base: run codecompose-ls tune"


#: What becomes certain together is told together.
Pieces = tuple[Piece, ...]


class PriorOf(Protocol):
    """Finds what is known of a request besides the model; `end` is the token that ends an answer."""

    def __call__(self, context: Context, *, tokenizer: Tokenizer, prompt_tokens: int, end: int) -> Prior | None: ...


class LocalBackend:
    """Implements `Backend` and `PromptBackend`. Loading takes some 100 ms; raises `ModelError` or `EngineError`."""

    at_once = 1

    def __init__(self, model: Model | Path, *, threads: int = 2, prior_of: PriorOf | None = None) -> None:
        model = load_model(model) if isinstance(model, Path) else model
        self.notice = OUTDATED if model.outdated else ""
        if model.family not in FAMILIES:
            raise ModelError(f"the model {model.name} is of family '{model.family}'; we know {', '.join(FAMILIES)}")
        self.model = f"{model.name}@{model.content_hash[:8]}"
        self._template = FAMILIES[model.family]
        self._likes_snippets = model.snippets
        self._budget = model.context - min(ANSWER_TOKENS, model.context // 4)
        self._tokenizer = Tokenizer(model.tokenizer_path)
        self._vocabulary = model.architecture.vocab_size
        for sentinel in self._template.sentinels:
            self._tokenizer.token_id(sentinel)  # a tokenizer of another family is refused now, not at every request
        self._prior_of = prior_of
        try:
            self._session = Session(model, threads=threads)
        except MemoryError as error:
            raise EngineError(
                f"there is not enough memory to load {model.name}; close something and try again"
            ) from error
        self._engine = Engine()

    @property
    def idle(self) -> bool:
        return self._engine.idle

    @property
    def window_chars(self) -> tuple[int, int]:
        characters = max(0, self._budget - HEADER_TOKENS) * CHARACTERS_PER_TOKEN
        prefix = int(characters * PREFIX_SHARE)
        return prefix, int(characters) - prefix

    @property
    def snippet_chars(self) -> int:
        return int(self._budget * SNIPPETS_SHARE) * CHARACTERS_PER_TOKEN if self._likes_snippets else 0

    def stream(
        self, context: Context, sampling: Sampling, *, stop: Stop, priority: Priority = Priority.REQUEST
    ) -> AsyncGenerator[Piece, None]:
        return self._one_by_one(partial(self._generate, context, sampling), stop=stop, priority=priority)

    @property
    def capacity(self) -> int:
        return self._session.capacity

    def prompt(self, context: Context) -> Prompt:
        tokenizer = self._tokenizer
        return build_prompt(
            context, template=self._template, encode=tokenizer.encode, token_id=tokenizer.token_id, budget=self._budget
        )

    def written(self, text: str) -> Prompt:
        tokenizer = self._tokenizer
        return written_prompt(text, template=self._template, encode=tokenizer.encode, token_id=tokenizer.token_id)

    def answer(self, prompt: Prompt, sampling: Sampling, *, stop: Stop) -> AsyncGenerator[Piece, None]:
        return self._one_by_one(partial(self._answer, prompt, sampling), stop=stop)

    async def _one_by_one(
        self, work: Work[Pieces], *, stop: Stop, priority: Priority = Priority.REQUEST
    ) -> AsyncGenerator[Piece, None]:
        async with aclosing(self._engine.run(work, priority=priority, stop=stop)) as told:
            async for pieces in told:
                for piece in pieces:
                    yield piece

    async def warm(self, context: Context) -> None:
        try:
            work = partial(self._prefill, context)
            async for _ in self._engine.run(work, priority=Priority.WARM, stop=threading.Event()):
                pass
        except (Cancelled, CodeComposeError):
            pass  # the request itself will say what is wrong

    async def score(self, context: Context, text: str) -> list[float]:
        """Return the natural log probability of each token of `text` after a context; none where it does not fit."""
        work = partial(self._score, context, text)
        return [one async for one in self._engine.run(work, priority=Priority.REQUEST, stop=threading.Event())]

    def close(self) -> None:
        self._engine.close()

    def _prior(self, context: Context, prompt: Prompt) -> Prior | None:
        if self._prior_of is None:
            return None
        end = self._tokenizer.token_id(self._template.stop[0])
        return self._prior_of(context, tokenizer=self._tokenizer, prompt_tokens=len(prompt.token_ids), end=end)

    @cached_property
    def _ruled_out(self) -> RuledOut:
        return self._tokenizer.ruled_out(self._vocabulary)

    def _generate(self, context: Context, sampling: Sampling, stop: Stop) -> Iterator[Pieces]:
        prompt = self.prompt(context)
        told = self._answer(prompt, sampling, stop, prior=self._prior(context, prompt))
        return told if context.multiline else _first_line(told)

    def _answer(
        self, prompt: Prompt, sampling: Sampling, stop: Stop, *, prior: Prior | None = None
    ) -> Iterator[Pieces]:
        decoder = self._tokenizer.decoder()
        ruled_out = self._ruled_out if sampling.opening is not None else {}
        for tokens in generate(self._session, prompt, sampling, stop=stop, prior=prior, ruled_out=ruled_out):
            yield tuple(Piece(decoder.decode(token.id), token.logprob, token.finish) for token in tokens)

    def _score(self, context: Context, text: str, stop: Stop) -> Iterator[float]:
        ids, prompt = self._tokenizer.encode(text), self.prompt(context)
        return iter(score(self._session, prompt, ids, stop=stop, prior=self._prior(context, prompt)))

    def _prefill(self, context: Context, stop: Stop) -> Iterator[Piece]:
        ids = self.prompt(context).token_ids
        if not self._session.has_read(ids):
            self._session.prefill(ids, stop=stop)
        return iter(())


def _first_line(told: Iterator[Pieces]) -> Iterator[Pieces]:
    """Go on no further than the first line with anything on it: nobody would read it."""
    text = ""
    for pieces in told:
        yield pieces
        text += "".join(piece.text for piece in pieces)
        if "\n" in text.lstrip():
            return
