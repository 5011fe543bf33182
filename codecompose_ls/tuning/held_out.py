"""Loss on held-out files: left to right by language, and on the middles of line completions as the server asks."""

from __future__ import annotations

import math
from collections import defaultdict
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from codecompose_ls.tuning.corpus import Corpus
from codecompose_ls.tuning.head_loss import IGNORED
from codecompose_ls.tuning.network import Network
from codecompose_ls.tuning.objectives import arrange, line_cut, plain, window
from codecompose_ls.tuning.tokenizer import Encoder, characters_per_token

SUFFIX_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class HeldOutLoss:
    """Mean losses of one measurement, in nats a token; `bits_per_byte` compares across tokenizers."""

    language: str
    objective: str
    tokens: int
    nats_per_token: float
    bits_per_byte: float


@dataclass(frozen=True, slots=True)
class _Case:
    tokens: list[int]
    #: Loss is taken from this token on.
    start: int
    text_bytes: int


class HeldOut:
    """A fixed set of examples from held-out files; the same seed gives the same set."""

    def __init__(
        self,
        corpus: Corpus,
        encoder: Encoder,
        *,
        python: int = 32,
        others: int = 6,
        length: int = 512,
        seed: int = 2207_14255,
    ) -> None:
        self.end = encoder.end
        self._groups: dict[tuple[str, str], list[_Case]] = defaultdict(list)
        rates = characters_per_token(encoder, corpus.documents)
        rng = np.random.default_rng(seed)
        for language in corpus.languages:
            documents = [document for document in corpus.documents if document.language == language]
            for _ in range(python if language == "python" else others):
                document = documents[int(rng.integers(len(documents)))]
                characters = int(length * rates[language] * 0.9)
                head = encoder.header(language, document.path)
                tokens = plain(document.text, encoder, head=head, length=length, characters=characters, rng=rng)
                self._groups[language, "plain"].append(
                    _Case(tokens, len(head), len(encoder.decode(tokens[len(head) :]).encode()))
                )
                if cut := line_cut(document.text, rng):
                    pieces = window(document.text, cut, characters=characters, suffix_share=SUFFIX_SHARE)
                    line = arrange(pieces, encoder, head=head, length=length, spm=True)
                    self._groups[language, "line"].append(_Case(line.tokens, line.middle, len(pieces.middle.encode())))

    @torch.no_grad()
    def measure(self, network: Network, device: torch.device, cast: AbstractContextManager[None]) -> list[HeldOutLoss]:
        """Return the losses, languages in the order of the corpus."""
        losses = []
        with cast:
            for (language, objective), cases in self._groups.items():
                nats = sum(self._nats(network, device, cases[at : at + 8]) for at in range(0, len(cases), 8))
                tokens = sum(len(case.tokens) - case.start for case in cases)
                text_bytes = sum(case.text_bytes for case in cases)
                losses.append(
                    HeldOutLoss(
                        language, objective, tokens, nats / max(1, tokens), nats / math.log(2) / max(1, text_bytes)
                    )
                )
        return losses

    def _nats(self, network: Network, device: torch.device, cases: list[_Case]) -> float:
        length = max(len(case.tokens) for case in cases)
        tokens = np.full((len(cases), length), self.end, dtype=np.int64)
        targets = np.full((len(cases), length), IGNORED, dtype=np.int64)
        for row, case in enumerate(cases):
            tokens[row, : len(case.tokens)] = case.tokens
            targets[row, case.start : len(case.tokens)] = case.tokens[case.start :]
        logits = network(torch.from_numpy(tokens[:, :-1]).to(device))
        labels = torch.from_numpy(targets[:, 1:]).to(device)
        loss = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED, reduction="sum")
        return float(loss)
