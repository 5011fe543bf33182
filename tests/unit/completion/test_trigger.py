"""When an automatic request stays unanswered."""

import pytest

from codecompose_ls.completion.trigger import RULES, silence
from tests.cursor import window_at


@pytest.mark.parametrize(
    ("rule", "language", "code"),
    [
        ("too_little", "python", "‸"),
        ("too_little", "python", "x = ‸"),
        ("too_little", "python", "\n\n     \n‸\n  \n\n"),
        ("mid_word", "python", "total = compute_tot‸al(items)"),
        ("mid_word", "typescript", "const total = ‸items.length;"),
        ("mid_word", "go", "for _, ite‸m := range items {"),
        ("mid_line", "python", "total = compute‸ + tax(items)"),
        ("mid_line", "typescript", "foo(‸, bar) // later"),
        ("mid_line", "go", "fmt.Println(a‸, b)"),
        ("mid_line", "python", "result = items‸[0].price"),
        ("after_statement", "typescript", "const total = 1;‸"),
        ("after_statement", "typescript", "function f() {\n  return 1;\n}‸\n"),
        ("after_statement", "go", "x := map[string]int{}‸"),
    ],
)
def test_rule_asks_for_silence(rule: str, language: str, code: str) -> None:
    assert silence(window_at(code, language=language)) == rule


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", "def total(items):\n    return ‸"),
        ("python", "def total(items):\n    ‸\n"),
        ("python", "total = sum(‸)"),
        ("python", 'print("total: ‸")'),
        ("python", "def total(self‸):"),
        ("python", "result = compute(items)‸"),
        ("typescript", "if (items.length ‸) {"),
        ("typescript", "call({ a: 1 }‸)"),
        ("typescript", "if (a) {\n  b();\n} ‸"),
        ("go", "func Total(items []Item) int {‸"),
        ("go", "x := items[‸]"),
    ],
)
def test_otherwise_the_model_is_asked(language: str, code: str) -> None:
    assert silence(window_at(code, language=language)) is None


def test_every_rule_has_a_name_of_its_own() -> None:
    assert len({rule.__name__ for rule in RULES}) == len(RULES)
