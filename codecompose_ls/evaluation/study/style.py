"""Coding style: how alike the identifiers are that the developer and a model choose (tf-idf, cosine)."""

from __future__ import annotations

from collections.abc import Sequence


def cosines(developer: Sequence[Sequence[str]], generated: Sequence[Sequence[str]]) -> list[float]:
    """Return for each pair of identifier lists the cosine of their tf-idf vectors, 0 to 1.

    Document frequencies are of the developer's lists, so that every model is judged by the same weights; a name that is
    in none of them is the rarest there is. Pairs where the developer has no identifier are left out; a model that
    writes none of the developer's gets 0.
    """
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    pairs = [(mine, theirs) for mine, theirs in zip(developer, generated, strict=True) if mine]
    if not pairs:
        return []
    # Lists come in, lists are what is counted: no token pattern, and case matters.
    counter, weights = CountVectorizer(analyzer=_itself), TfidfTransformer()
    counter.fit([names for pair in pairs for names in pair])
    ours = weights.fit_transform(counter.transform([mine for mine, _ in pairs]))
    others = weights.transform(counter.transform([theirs for _, theirs in pairs]))
    # Rows have length 1, or 0 where nothing is known of them.
    return [min(1.0, float(value)) for value in ours.multiply(others).sum(axis=1).A1]


def _itself(identifiers: Sequence[str]) -> Sequence[str]:
    return identifiers
