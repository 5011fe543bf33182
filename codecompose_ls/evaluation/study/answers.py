"""What a model, tuned or not, says at a hidden line: its k best lines by beam search, and how likely the line was.

In torch, through transformers' `generate`, so that any base and any adapter is asked alike. The prompt is read once,
for the score and for all beams. A candidate ends with its line: whatever begins with a line break or ends the answer
counts as one token, whose probability is the sum of theirs, so that no two candidates are the same line; and it never
comes first, since what is asked for is never empty.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from codecompose_ls.completion.window import window
from codecompose_ls.errors import ModelError
from codecompose_ls.evaluation.hidden_lines import Case
from codecompose_ls.evaluation.metrics import first_line
from codecompose_ls.prompt.build import PREFIX_SHARE, build_prompt
from codecompose_ls.tuning.base_model import BaseModel, load_base
from codecompose_ls.types import Document

#: A line is cut off after so many tokens.
LINE_TOKENS = 64
#: More than code has, so that the window is cut by tokens, not by characters.
CHARACTERS_PER_TOKEN = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """Candidates, the likeliest first, all different; log probabilities (natural) of the hidden text's tokens."""

    candidates: tuple[str, ...]
    logprobs: tuple[float, ...]


class Answerer:
    """A model that answers cases. `candidates` is the number of beams, `prompt_tokens` the prompt's greatest length."""

    def __init__(self, base: Path, tuned: Path | None = None, *, candidates: int = 5, prompt_tokens: int = 512) -> None:
        """Load a base, or what was tuned from it: a model folder or an adapter. Raises `ModelError`."""
        is_adapter = tuned is not None and (tuned / "adapter_config.json").is_file()
        loaded = load_base(base if tuned is None or is_adapter else tuned)
        self._network, self._prefix = loaded.network, None
        if tuned is not None and is_adapter:
            self._network, self._prefix = _adapted(loaded, tuned)
        self._network.eval()
        self._encoder, self._candidates = loaded.encoder, candidates
        self._is_encoder_decoder = loaded.is_encoder_decoder
        virtual = 0 if self._prefix is None else self._prefix.num_virtual_tokens
        self._budget = min(prompt_tokens, loaded.context - virtual - LINE_TOKENS)
        if self._budget < 1:
            room = f"{virtual} virtual tokens and a line of {LINE_TOKENS}"
            raise ModelError(f"{loaded.name} has a context of {loaded.context}: too small for {room}")
        self._ends, self._closing = _line_ends(loaded)

    @torch.inference_mode()
    def answer(self, case: Case) -> Answer:
        """Return the candidates and the score of one case."""
        prompt, hidden = self._prompt(case), self._encoder.encode(case.hidden.rstrip())
        asked = self._ask_pair if self._is_encoder_decoder else self._ask_causal
        logprobs, sequences = asked(prompt, hidden)
        texts = [first_line(self._encoder.decode(self._line(tokens))) for tokens in sequences]
        return Answer(tuple(dict.fromkeys(texts)), tuple(logprobs))

    def _prompt(self, case: Case) -> list[int]:
        template, encoder = self._encoder.template, self._encoder
        if template is None:
            # Never taught to fill in: it goes on with what stands before.
            return encoder.encode(case.text[: case.offset])[-self._budget :] or [encoder.end]
        characters = self._budget * CHARACTERS_PER_TOKEN
        limits = int(characters * PREFIX_SHARE), characters - int(characters * PREFIX_SHARE)
        view = window(Document("", case.path, case.language, case.text), case.offset, limits=limits)
        prompt = build_prompt(
            view.context(multiline=False),
            template=template,
            encode=encoder.encode,
            token_id=encoder.sentinels.__getitem__,
            budget=self._budget,
        )
        return list(prompt.token_ids)

    def _ask_causal(self, prompt: Sequence[int], hidden: Sequence[int]) -> tuple[list[float], list[list[int]]]:
        """Read the prompt but for its last token, score the hidden text after it, go back, and search with beams."""
        ids = torch.tensor([prompt])
        cache, virtual = self._cache()
        if len(prompt) > 1:
            self._network(input_ids=ids[:, :-1], past_key_values=cache, use_cache=True)
        fed = torch.tensor([[prompt[-1], *hidden[:-1]]])
        logits = self._network(input_ids=fed, past_key_values=cache, use_cache=True).logits
        cache.crop(-fed.shape[1])
        cache.batch_repeat_interleave(self._candidates)
        # `generate` takes the cache's length for that of the ids it has seen: virtual tokens need ids, whichever.
        seen = torch.cat((torch.full((1, virtual), self._encoder.end), ids), dim=1)
        sequences = self._search(seen, start=seen.shape[1], past_key_values=cache)
        return _logprobs(logits, hidden), [tokens[seen.shape[1] :] for tokens in sequences.tolist()]

    def _ask_pair(self, prompt: Sequence[int], hidden: Sequence[int]) -> tuple[list[float], list[list[int]]]:
        """Let the encoder read the prompt, and the decoder score the hidden text and search for it."""
        source = torch.tensor([prompt])
        first = self._network.config.decoder_start_token_id
        decoder = torch.tensor([[first, *hidden[:-1]]])
        logits = self._network(input_ids=source, decoder_input_ids=decoder, use_cache=False).logits
        sequences = self._search(source, start=1, decoder_start_token_id=first)
        return _logprobs(logits, hidden), [tokens[1:] for tokens in sequences.tolist()]

    def _search(self, ids: Tensor, *, start: int, **options: Any) -> Tensor:
        """Return the beams' tokens, the likeliest first: no length penalty, so it is the line's own probability.

        What is generated begins at token `start`.
        """
        from transformers import LogitsProcessorList

        found: Tensor = self._network.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            num_beams=self._candidates,
            num_return_sequences=self._candidates,
            do_sample=False,
            length_penalty=0.0,
            max_new_tokens=LINE_TOKENS,
            logits_processor=LogitsProcessorList([_OneEnd(self._ends, self._encoder.end, start=start)]),
            eos_token_id=[self._encoder.end, *self._closing],
            pad_token_id=self._encoder.end,
            use_cache=True,
            **options,
        )
        return found

    def _cache(self) -> tuple[Any, int]:
        """Return keys and values to begin with, and how many virtual tokens are in them."""
        from transformers import DynamicCache

        if self._prefix is None:
            return DynamicCache(config=self._network.config), 0
        return self._prefix.cache(), self._prefix.num_virtual_tokens

    def _line(self, tokens: Sequence[int]) -> list[int]:
        end = self._encoder.end
        return list(tokens[: tokens.index(end)] if end in tokens else tokens)


class _OneEnd:
    """Puts the probability of all tokens that end a line on one of them (a transformers LogitsProcessor)."""

    def __init__(self, ends: Sequence[int], end: int, *, start: int) -> None:
        self._ends, self._end, self._start = torch.tensor(ends), end, start

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        ended = scores[:, self._ends].logsumexp(dim=1)
        scores = scores.index_fill(1, self._ends, -torch.inf)
        if input_ids.shape[1] > self._start:
            scores[:, self._end] = ended
        return scores


class _Prefix:
    """A tuned prefix: keys and values that stand before every prompt."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.num_virtual_tokens = int(model.active_peft_config.num_virtual_tokens)

    def cache(self) -> Any:
        """Return a cache of its own for one prompt."""
        return self._model.get_prompt(1)


def _adapted(base: BaseModel, folder: Path) -> tuple[Any, _Prefix | None]:
    """Return the network with an adapter in it, and the prefix if the adapter is one. LoRA is merged."""
    from peft import PeftModel

    with warnings.catch_warnings():
        # PEFT still reads what this transformers calls by another name.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        model = PeftModel.from_pretrained(base.network, folder)
    if not model.active_peft_config.is_prompt_learning:
        return model.merge_and_unload(), None
    return (model, None) if base.is_encoder_decoder else (base.network, _Prefix(model))


def _line_ends(base: BaseModel) -> tuple[list[int], list[int]]:
    """Return the ids that end a line and are nothing else, and those that have something before a line break."""
    encoder = base.encoder
    stops = encoder.template.stop if encoder.template else ()
    ends = {encoder.end, encoder.document_end, *(encoder.sentinels[name] for name in stops)}
    closing = []
    for number in range(encoder.tokenizer.get_vocab_size()):
        text = encoder.tokenizer.decode([number], skip_special_tokens=True)
        if text.startswith(("\n", "\r")):
            ends.add(number)
        elif "\n" in text or "\r" in text:
            closing.append(number)
    return sorted(ends), closing


def _logprobs(logits: Tensor, tokens: Sequence[int]) -> list[float]:
    rows = torch.log_softmax(logits[0].float(), dim=-1)
    found: list[float] = rows[torch.arange(len(tokens)), torch.tensor(tokens)].tolist()
    return found
