"""A Hugging Face model on this machine, on torch: completes code where its family is known, and chats where it can."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import cached_property
from pathlib import Path

from codecompose_ls.backends.backend import Priority
from codecompose_ls.backends.local import ANSWER_TOKENS, CHARACTERS_PER_TOKEN, HEADER_TOKENS, OUTDATED, PriorOf
from codecompose_ls.errors import ModelError
from codecompose_ls.inference.decoding import Prior, RuledOut
from codecompose_ls.inference.tokenizer import Tokenizer
from codecompose_ls.inference.torch.chat import ChatTokenizer
from codecompose_ls.inference.torch.engine import MAX_ROWS, Request, TorchEngine
from codecompose_ls.inference.torch.network import load_network
from codecompose_ls.models.bases import is_outdated
from codecompose_ls.models.files import ADAPTER_CONFIG, METADATA, TOKENIZER, read_json
from codecompose_ls.prompt.build import PREFIX_SHARE, SNIPPETS_SHARE, build_prompt
from codecompose_ls.prompt.families import find_family
from codecompose_ls.prompt.templates import FAMILIES, FimTemplate
from codecompose_ls.types import Context, Piece, Prompt, Sampling, Stop, Turn

#: Longest prompt for a completion: the model may read more, but whoever types does not wait for that.
PROMPT_TOKENS = 2048


class TorchBackend:
    """Implements `Backend`, `PromptBackend` and `Chat`. Raises `ModelError` or `EngineError`.

    With `fim` a model that was never taught to fill in the middle is refused at once, and not only when it is asked to.
    """

    at_once = MAX_ROWS

    def __init__(
        self,
        folder: Path,
        *,
        threads: int = 2,
        device: str | None = None,
        prior_of: PriorOf | None = None,
        fim: bool = True,
    ) -> None:
        self.model, self.notice = folder.name, ""
        self._folder = folder
        self._tokenizer = Tokenizer(folder / TOKENIZER)
        self._template = _family(folder, self._tokenizer)
        if fim:
            self._fim()
        self._likes_snippets = (folder / METADATA).is_file() and read_json(folder / METADATA).get("snippets") is True
        self._prior_of = prior_of
        self._adapter: Path | None = None
        self._virtual_tokens = 0
        network = load_network(folder, device=device)
        self._engine = TorchEngine(network, threads=threads)

    def adapted(self, adapter: Path) -> TorchBackend:
        """Return a view in which an adapter answers, in the same batch as all others; closing any closes all."""
        view = copy.copy(self)
        view.model, view._adapter = adapter.name, adapter
        view.notice = OUTDATED if is_outdated(read_json(adapter / METADATA)) else ""
        view._virtual_tokens = int(read_json(adapter / ADAPTER_CONFIG).get("num_virtual_tokens") or 0)
        return view

    @property
    def idle(self) -> bool:
        return self._engine.idle

    @property
    def capacity(self) -> int:
        return self._engine.network.capacity - self._virtual_tokens

    @property
    def context(self) -> int:
        """Tokens that it takes when it chats, prompt and answer together."""
        return self.capacity

    @property
    def window_chars(self) -> tuple[int, int]:
        characters = max(0, self._budget - HEADER_TOKENS) * CHARACTERS_PER_TOKEN
        prefix = int(characters * PREFIX_SHARE)
        return prefix, int(characters) - prefix

    @property
    def snippet_chars(self) -> int:
        return int(self._budget * SNIPPETS_SHARE) * CHARACTERS_PER_TOKEN if self._likes_snippets else 0

    @property
    def chats(self) -> bool:
        return self._chat.has_template

    async def stream(
        self, context: Context, sampling: Sampling, *, stop: Stop, priority: Priority = Priority.REQUEST
    ) -> AsyncGenerator[Piece, None]:
        prompt, prior = await asyncio.to_thread(self._prepare, context)
        async with aclosing(self._answer(prompt, sampling, stop, priority=priority, prior=prior)) as pieces:
            async for piece in pieces:
                yield piece

    async def warm(self, context: Context) -> None:
        """Nothing is kept of a prompt between requests, so there is nothing to prepare."""

    def prompt(self, context: Context) -> Prompt:
        tokenizer = self._tokenizer
        prompt = build_prompt(
            context, template=self._fim(), encode=tokenizer.encode, token_id=tokenizer.token_id, budget=self._budget
        )
        return Prompt(prompt.token_ids, prompt.stop_ids | self._engine.network.end_ids)

    def written(self, text: str) -> Prompt:
        ids = self._chat.written(text)
        stops = self._end_ids
        if self._template is not None:
            stops |= {self._tokenizer.token_id(name) for name in self._template.stop}
        return Prompt(tuple(ids or sorted(self._end_ids)[:1]), stops)

    def talk(self, messages: Sequence[Turn]) -> Prompt:
        """Apply the chat template. Raises `ModelError` for a model without one, `InputError` for what it refuses."""
        return Prompt(tuple(self._chat.talk(messages)), self._end_ids)

    def answer(self, prompt: Prompt, sampling: Sampling, *, stop: Stop) -> AsyncGenerator[Piece, None]:
        return self._answer(prompt, sampling, stop)

    async def chat(self, messages: Sequence[Turn], sampling: Sampling, *, stop: Stop) -> AsyncGenerator[Piece, None]:
        """Yield the next turn as it is generated."""
        prompt = await asyncio.to_thread(self.talk, messages)
        async with aclosing(self._answer(prompt, sampling, stop)) as pieces:
            async for piece in pieces:
                yield piece

    async def score(self, context: Context, text: str) -> list[float]:
        """Return the natural log probability of each token of `text` after a context; none where it does not fit."""
        prompt, prior = await asyncio.to_thread(self._prepare, context)
        ids = tuple(self._tokenizer.encode(text))
        if not ids or len(prompt.token_ids) + len(ids) > self.capacity:
            return []
        # No token of a given text ends it.
        asked, sampling = Prompt(prompt.token_ids, frozenset()), Sampling(max_tokens=len(ids))
        request = Request(asked, sampling, adapter=self._adapter, prior=prior, forced=ids)
        return [token.logprob async for token in self._engine.run(request, stop=threading.Event())]

    def close(self) -> None:
        self._engine.close()

    async def _answer(
        self,
        prompt: Prompt,
        sampling: Sampling,
        stop: Stop,
        *,
        priority: Priority = Priority.REQUEST,
        prior: Prior | None = None,
    ) -> AsyncGenerator[Piece, None]:
        decoder = self._tokenizer.decoder()
        ruled_out = self._ruled_out if sampling.opening is not None else {}
        request = Request(prompt, sampling, adapter=self._adapter, prior=prior, ruled_out=ruled_out)
        async with aclosing(self._engine.run(request, priority=priority, stop=stop)) as tokens:
            async for token in tokens:
                yield Piece(decoder.decode(token.id), token.logprob, token.finish)

    def _prepare(self, context: Context) -> tuple[Prompt, Prior | None]:
        prompt = self.prompt(context)
        if self._prior_of is None:
            return prompt, None
        end = self._tokenizer.token_id(self._fim().stop[0])
        asked = len(prompt.token_ids)
        return prompt, self._prior_of(context, tokenizer=self._tokenizer, prompt_tokens=asked, end=end)

    def _fim(self) -> FimTemplate:
        if self._template is None:
            known = ", ".join(FAMILIES)
            raise ModelError(
                f"the model at {self._folder} completes no code: its tokenizer has the sentinels of no family that "
                f"fills in the middle; we know {known}"
            )
        return self._template

    @property
    def _budget(self) -> int:
        capacity = min(self.capacity, PROMPT_TOKENS)
        return capacity - min(ANSWER_TOKENS, capacity // 4)

    @cached_property
    def _chat(self) -> ChatTokenizer:
        return ChatTokenizer(self._folder)

    @cached_property
    def _end_ids(self) -> frozenset[int]:
        return self._engine.network.end_ids | self._chat.end_ids

    @cached_property
    def _ruled_out(self) -> RuledOut:
        return self._tokenizer.ruled_out(self._engine.network.module.config.vocab_size)


def _family(folder: Path, tokenizer: Tokenizer) -> FimTemplate | None:
    """Return the family that our own metadata names, or the one whose sentinels the tokenizer has."""
    said = read_json(folder / METADATA).get("family") if (folder / METADATA).is_file() else None
    if said is not None and said not in FAMILIES:
        raise ModelError(f"the model at {folder} is of family '{said}'; we know {', '.join(FAMILIES)}")
    template = FAMILIES[said] if said is not None else find_family(tokenizer.has_token)
    for sentinel in template.sentinels if template else ():
        tokenizer.token_id(sentinel)  # a tokenizer of another family is refused now, not at every request
    return template
