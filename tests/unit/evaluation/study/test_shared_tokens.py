"""Shared tokens: what counts as one, and the ratios worked by hand."""

import pytest

from codecompose_ls.evaluation.study.shared_tokens import shared, token_set
from codecompose_ls.tuning.corpus import Document


def _document(text: str, language: str) -> Document:
    return Document("p", "f", language, text)


def test_tokens_are_lower_case_without_comments_keywords_and_digits() -> None:
    java = "/* Copyright Someone */\npublic class Walker2 { // goes\n  int Steps_left = 3; }\n"
    assert token_set([_document(java, "java")]) == {"walker", "steps_left"}
    assert token_set([_document("def go(x):  # walk\n    return '# no'\n", "python")]) == {"go", "x", "no"}


def test_a_language_without_grammar_loses_its_comment_lines() -> None:
    assert token_set([_document("# said\nputs name\n", "ruby")]) == {"puts", "name"}


def test_ratios_are_of_the_row_and_projects_ascend() -> None:
    tokens = {"large": frozenset("abcd"), "small": frozenset("ab"), "none": frozenset[str]()}
    found = shared({**tokens, "middle": frozenset("bcx")})
    assert found.projects == ("small", "middle", "large")
    assert found.sizes == (2, 3, 4)
    assert found.ratios == ((1, 1 / 2, 1), (1 / 3, 1, 2 / 3), (1 / 2, 1 / 2, 1))
    # Off the diagonal: 1/3, 1/2, 1/2, 1/2, 2/3, 1.
    assert found.median == pytest.approx(1 / 2)
    assert found.third_quartile == pytest.approx(2 / 3 - (2 / 3 - 1 / 2) / 4)
