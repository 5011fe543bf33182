"""A family is known by its sentinels."""

from __future__ import annotations

import pytest

from codecompose_ls.prompt.families import BART, find_family
from codecompose_ls.prompt.templates import FAMILIES, FimTemplate

#: Families with the same sentinels are asked in the same way.
ALIKE = {"granite": "starcoder"}


@pytest.mark.parametrize("template", FAMILIES.values(), ids=FAMILIES)
def test_its_own_sentinels_tell_a_family(template: FimTemplate) -> None:
    found = find_family(set(template.sentinels).__contains__)
    assert found is not None
    assert found.family == ALIKE.get(template.family, template.family)
    assert (found.psm, found.spm) == (template.psm, template.spm)


def test_a_tokenizer_without_sentinels_has_no_family() -> None:
    assert find_family({"<|endoftext|>", "<s>", "</s>"}.__contains__) is None


def test_barts_mask_is_no_family_that_is_served() -> None:
    assert BART.family not in FAMILIES
