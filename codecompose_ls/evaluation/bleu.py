"""BLEU (Papineni et al. 2002) by sacrebleu, over lexical tokens; needs the extra `evaluate`.

Code is split into words and marks by us, so sacrebleu's own tokenizer is off. What BLEU adds up over cases is kept for
each of them, so that it can be had for any group afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.util import find_spec

_ORDER = 4
_TOKEN = re.compile(r"\w+|[^\w\s]")


def is_available() -> bool:
    return find_spec("sacrebleu") is not None


def signature() -> str:
    """Return sacrebleu's signature: with it, two figures are known to mean the same."""
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize="none")
    metric.corpus_score([""], [[""]])  # it knows the number of references only then
    return str(metric.get_signature())


def statistics(suggested: str, hidden: str) -> tuple[int, ...]:
    """Return matching n-grams, n-grams suggested (n = 1 to 4 of both), tokens suggested, tokens hidden."""
    from sacrebleu.metrics.bleu import BLEU

    score = BLEU(tokenize="none", effective_order=True).sentence_score(_spaced(suggested), [_spaced(hidden)])
    return (*score.counts, *score.totals, score.sys_len, score.ref_len)


def corpus_bleu(cases: Iterable[Sequence[int]]) -> float:
    """Return the corpus BLEU (0 to 100) of the statistics of some cases."""
    from sacrebleu.metrics.bleu import BLEU

    sums = [sum(column) for column in zip(*cases, strict=True)]
    counts, totals, (suggested, hidden) = sums[:_ORDER], sums[_ORDER:-2], sums[-2:]
    return float(BLEU.compute_bleu(counts, totals, suggested, hidden, smooth_method="exp").score)


def _spaced(text: str) -> str:
    return " ".join(_TOKEN.findall(text))
