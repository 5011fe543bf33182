"""Rows that are fed together, one token each at a time; they join and leave between two steps (Yu et al. 2022, Orca).

Rows are aligned at their right ends, so what they have no tokens for is masked at the left. A row is prefilled alone,
in chunks, and then joins: so its tokens, and a tuned prefix before them, stand side by side as if it were alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch

from codecompose_ls.inference.torch.adapters import Adapters, Attached

#: Tokens of a prompt fed between two steps of the batch, whose rows wait for so long.
CHUNK = 256


class Row:
    """What one request has in the network: a cache of its own until it joins a batch.

    `length` counts the positions behind it, virtual ones too. `last` is the token that is not fed yet.
    """

    def __init__(self, prompt: Sequence[int], adapter: Attached) -> None:
        self.adapter = adapter
        self.length = adapter.virtual_tokens
        self.last = -1
        self._unfed = list(prompt)
        self.cache = _cache(adapter.prefix)

    def prefill(self, adapters: Adapters) -> torch.Tensor | None:
        """Feed the next chunk of the prompt; return the logits (1, vocabulary) after it once all is fed."""
        chunk, self._unfed = self._unfed[:CHUNK], self._unfed[CHUNK:]
        logits = _feed(adapters, [self], [chunk], self.cache)
        return None if self._unfed else logits


class Batch:
    """The rows that are answered now."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._cache: Any = None

    def join(self, row: Row) -> None:
        """Take in a row that is prefilled and has its first token."""
        if not self.rows:
            self._cache = row.cache
        else:
            for ours, theirs in zip(self._cache.layers, row.cache.layers, strict=True):
                width = max(ours.keys.shape[2], theirs.keys.shape[2])
                ours.keys = torch.cat([_widened(ours.keys, width), _widened(theirs.keys, width)])
                ours.values = torch.cat([_widened(ours.values, width), _widened(theirs.values, width)])
        row.cache = None
        self.rows.append(row)

    def leave(self, rows: Collection[Row]) -> None:
        """Forget rows, and the columns that only they needed."""
        kept = [place for place, row in enumerate(self.rows) if row not in rows]
        if len(kept) == len(self.rows):
            return
        self.rows = [self.rows[place] for place in kept]
        if not self.rows:
            self._cache = None
            return
        width = max(row.length for row in self.rows)
        for layer in self._cache.layers:
            layer.keys = layer.keys[kept][:, :, -width:]
            layer.values = layer.values[kept][:, :, -width:]

    def step(self, adapters: Adapters) -> torch.Tensor:
        """Feed each row's last token and return the logits (rows, vocabulary) after it."""
        return _feed(adapters, self.rows, [[row.last] for row in self.rows], self._cache)


def _feed(adapters: Adapters, rows: Sequence[Row], tokens: Sequence[Sequence[int]], cache: Any) -> torch.Tensor:
    """Append as many tokens to each row and return the logits (rows, vocabulary) after the last ones."""
    device = adapters.device
    ids = torch.tensor(tokens, device=device)
    lengths = torch.tensor([[row.length] for row in rows], device=device)
    width, fed = cache.get_seq_length(), ids.shape[1]
    columns = torch.arange(width + fed, device=device)
    with torch.inference_mode():
        output = adapters.forward(
            [row.adapter for row in rows],
            input_ids=ids,
            attention_mask=(columns >= width - lengths).long(),
            position_ids=lengths + torch.arange(fed, device=device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
    for row in rows:
        row.length += fed
    logits: torch.Tensor = output.logits[:, -1]
    return logits


def _cache(prefix: torch.Tensor | None) -> Any:
    """Return an empty cache, or one that begins with a tuned prefix."""
    from transformers import DynamicCache

    cache = DynamicCache()
    for number, (keys, values) in enumerate(prefix if prefix is not None else ()):
        cache.update(keys[None], values[None], number)
    return cache


def _widened(rows: torch.Tensor, width: int) -> torch.Tensor:
    """Put masked columns before those of (rows, heads, columns, head_dim)."""
    return torch.nn.functional.pad(rows, (0, 0, width - rows.shape[2], 0))
