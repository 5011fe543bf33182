"""Which family a model without a codecompose.json belongs to: found by the sentinels that its tokenizer has."""

from __future__ import annotations

from collections.abc import Callable

from codecompose_ls.prompt.templates import FAMILIES, FimTemplate

#: Lewis et al. 2020: one mask in the encoder's text; the decoder writes what belongs there. Only ever tuned and
#: studied, never served.
BART = FimTemplate(
    family="bart",
    psm="<s>{prefix}<mask>{suffix}</s>",
    spm=None,
    sentinels=("</s>", "<s>", "<mask>"),
    stop=("</s>", "<s>", "<mask>"),
)


def find_family(has_token: Callable[[str], bool]) -> FimTemplate | None:
    """Return the template whose sentinels are all tokens of a tokenizer; None for a tokenizer without any.

    Of several the one with the most sentinels fits best: some families' are a part of another's.
    """
    found = [template for template in FAMILIES.values() if all(map(has_token, template.sentinels))]
    return max(found, key=lambda template: len(template.sentinels), default=None)
