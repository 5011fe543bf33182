"""Near-duplicates: MinHash signatures over 5-token shingles, found by banding (Broder 1997; Lee et al. 2022, 4.2).

`DuplicateIndex.add` keeps the first of every family of near-equal files: the order of documents decides which stays.
"""

from __future__ import annotations

import re
import zlib
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

SHINGLE_TOKENS = 5
JACCARD = 0.7
#: 16 bands of 8 rows: two files are compared with probability 1/2 where their similarity is (1/16)^(1/8) = 0.71.
BANDS, ROWS = 16, 8
_CHUNK = 4096

_TOKEN = re.compile(rb"\w+|[^\w\s]")
_GENERATOR = np.random.default_rng(0x0DD5EED)
_MULTIPLIERS = _GENERATOR.integers(1, 2**63, BANDS * ROWS, dtype=np.uint64) | np.uint64(1)
_OFFSETS = _GENERATOR.integers(0, 2**63, BANDS * ROWS, dtype=np.uint64)

Signature = NDArray[np.uint32]


def signature(text: str) -> Signature:
    """Return the MinHash signature, (BANDS * ROWS,), of the set of lexical shingles; layout does not count."""
    tokens = np.fromiter(map(zlib.crc32, _TOKEN.findall(text.encode())), dtype=np.uint64)
    shingles = np.unique(_shingle_hashes(tokens))
    lowest = np.full(BANDS * ROWS, np.iinfo(np.uint32).max, dtype=np.uint32)
    for start in range(0, len(shingles), _CHUNK):
        chunk = shingles[start : start + _CHUNK]
        # Multiply-shift: the high half of a 64-bit product is close to a random permutation's value.
        values = (_MULTIPLIERS[:, None] * chunk[None, :] + _OFFSETS[:, None]) >> np.uint64(32)
        np.minimum(lowest, values.min(axis=1).astype(np.uint32), out=lowest)
    return lowest


def similarity(a: Signature, b: Signature) -> float:
    """Return the estimated Jaccard similarity of two texts' shingles."""
    return float(np.mean(a == b))


class DuplicateIndex:
    """Signatures of the documents kept so far."""

    def __init__(self) -> None:
        self._signatures: list[Signature] = []
        self._bands: list[dict[bytes, list[int]]] = [defaultdict(list) for _ in range(BANDS)]

    def add(self, new: Signature) -> bool:
        """Add a document; return False, and keep nothing, when a near-duplicate of it is already here."""
        keys = [new[band * ROWS : (band + 1) * ROWS].tobytes() for band in range(BANDS)]
        candidates = {number for key, band in zip(keys, self._bands, strict=True) for number in band.get(key, ())}
        if any(similarity(new, self._signatures[number]) >= JACCARD for number in candidates):
            return False
        for key, band in zip(keys, self._bands, strict=True):
            band[key].append(len(self._signatures))
        self._signatures.append(new)
        return True


def _shingle_hashes(tokens: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix each run of SHINGLE_TOKENS token hashes into one; a shorter text is one shingle."""
    count = max(1, len(tokens) - SHINGLE_TOKENS + 1)
    hashes = np.zeros(count, dtype=np.uint64)
    for offset in range(min(SHINGLE_TOKENS, len(tokens))):
        hashes = (hashes ^ tokens[offset : offset + count]) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
    return hashes
