"""Random draws that are the same in every run: a generator for everything that is drawn, by what it is drawn of."""

from __future__ import annotations

import random


def generator(*seeds: object) -> random.Random:
    """Return a generator seeded by numbers and texts; a path among them may be no text that UTF-8 knows."""
    return random.Random(" ".join(map(str, seeds)).encode(errors="surrogateescape"))
