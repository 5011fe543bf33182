"""Scopes: where more than one line may be suggested, and up to which line."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.completion.scope import Scope, closes, leaves, opens, parser_for, scope_at, width
from codecompose_ls.languages import LANGUAGES
from tests.cursor import place_at, split


def scope(marked: str, language: str) -> Scope | None:
    return place_at(marked, language=language).scope


class TestPython:
    @pytest.mark.parametrize(
        ("code", "column"),
        [
            ("def total(items):‸\n", 1),
            ("def total(items):‸", 1),
            ("def total(items):‸\n\n\ndef other():\n    pass\n", 1),
            ("class Cart:\n    def total(self):‸\n\n    def clear(self):\n        pass\n", 5),
            ("def total(\n    items,\n):‸\n", 1),
            ("for item in items:‸\nprint(1)\n", 1),
            ("async def fetch():‸\n", 1),
            ("def total(items):\n    ‸\n", 4),
            ("def total(items):\n    result = 0\n    ‸\n", 4),
            ("def total(items):\n    result = 0\n    ‸\n\n\ndef other():\n    pass\n", 4),
            ("class Cart:\n    def total(self):\n        return 1\n\n    ‸\n", 4),
            ("import os\n\n‸", 0),
            ("def f():\n    return 1\n\n\n‸\n", 0),
        ],
    )
    def test_opens_a_scope_or_stands_at_its_end(self, code: str, column: int) -> None:
        assert scope(code, "python") == Scope(column)

    @pytest.mark.parametrize(
        "code",
        [
            "def total(items):‸\n    return 0\n",  # has a body
            "def total(items):\n    ‸\n    return 0\n",  # more follows in the scope
            "def total(items):\n    result = ‸\n",  # a statement half written
            "total = sum(‸)\n",
            "x = items[1:‸\n",  # a slice
            "f = lambda:‸\n",
            "prices = {'a':‸\n",
            "total(\n    a,\n    ‸\n)\n",  # a list in brackets
            "prices = [\n    1,\n    ‸\n]\n",
            'def f():\n    """Say\n\n    ‸\n    """\n',  # a string
            "import os\n‸\nimport sys\n",  # amid the module
            "x = 1\n    ‸\n",  # indented for no reason
            "‸",
        ],
    )
    def test_elsewhere_a_single_line(self, code: str) -> None:
        assert scope(code, "python") is None


class TestTypeScript:
    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            ("function total(items: Item[]) {‸", Scope(1, closer=0)),
            ("function total(items: Item[]) {‸}\n", Scope(1, closer=0)),
            ("function total(items: Item[]) {‸\n}\n", Scope(1)),
            ("const f = (x) => {‸\n\nconst g = 1;\n", Scope(1, closer=0)),
            ("class Cart {\n  total() {\n    ‸\n  }\n}\n", Scope(4)),
            ("class Cart {\n  total() {\n    ‸\n", Scope(4, closer=2)),
            ("class Cart {\n  total() {\n    const sum = 0;\n    ‸\n  }\n}\n", Scope(4)),
            ("if (a) {\n  b();\n} else {‸\n}\n", Scope(1)),
        ],
    )
    def test_opens_a_scope_or_stands_at_its_end(self, code: str, expected: Scope) -> None:
        assert scope(code, "typescript") == expected

    @pytest.mark.parametrize(
        "code",
        [
            "function total() {‸\n  return 1;\n}\n",
            "function total() {\n  ‸\n  return 1;\n}\n",
            "// when {‸\n",
            "const s = `text {‸`;\n",
            "const s = `\n  text\n  ‸\n`;\n",
            "call(\n  a,\n  ‸\n);\n",
            "const x = ‸\n",
        ],
    )
    def test_elsewhere_a_single_line(self, code: str) -> None:
        assert scope(code, "typescript") is None


class TestGo:
    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            ("func Total(items []Item) int {‸\n}\n", Scope(1)),
            ("func Total(items []Item) int {\n\t‸\n}\n", Scope(4)),
            ("func Total() int {\n\tsum := 0\n\tfor _, i := range items {\n\t\t‸\n\t}\n}\n", Scope(8)),
            ("type Cart struct {‸\n}\n", Scope(1)),
        ],
    )
    def test_opens_a_scope_or_stands_at_its_end(self, code: str, expected: Scope) -> None:
        assert scope("package shop\n\n" + code, "go") == expected

    def test_a_raw_string_is_no_scope(self) -> None:
        assert scope("package shop\n\nvar s = `\n\t{‸\n`\n", "go") is None


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("ruby", "def total(items)"),
        ("ruby", "items.each do |item|"),
        ("lua", "local function total(items)"),
        ("lua", "for _, item in ipairs(items) do"),
        ("shellscript", "if [ -f x ]; then"),
        ("csharp", "public int Total() {"),
    ],
)
def test_languages_without_a_grammar_go_by_their_lines(language: str, line: str) -> None:
    assert opens(line, language=language)
    assert scope(f"{line}‸\n", language) is not None


@pytest.mark.parametrize("language", [known.id for known in LANGUAGES.values() if known.grammar])
def test_every_grammar_we_name_loads(language: str) -> None:
    parser = parser_for(language)
    assert parser is not None
    assert parser.parse(b"a\n").root_node is not None


def test_without_the_grammars_wheel_indentation_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tree_sitter_go", None)
    parser_for.cache_clear()
    assert parser_for("go") is None
    assert scope("package a\n\nfunc F() {\n\t‸\n}\n", "go") == Scope(4)
    parser_for.cache_clear()


def test_only_a_part_of_a_long_file_is_parsed_and_it_starts_at_a_top_level_line() -> None:
    body = "".join(
        f'def f{number}():\n    """Docs {number}.\n\n    More."""\n    return {number}\n\n\n' for number in range(2000)
    )
    text, offset = split(body + "def last():\n    ‸\n")
    assert scope_at(text, offset, language="python") == Scope(4)


class TestLines:
    @pytest.mark.parametrize(
        ("line", "outside"),
        [("    return 1", False), ("", False), ("        deep()", False), ("def f():", True), ("  }", True)],
    )
    def test_lines_indented_less_are_outside(self, line: str, outside: bool) -> None:
        assert leaves(line, Scope(4), above="    x = 1") is outside

    @pytest.mark.parametrize(
        ("above", "line", "outside"),
        [
            ("import os", "import sys", True),
            ("if a:", "    b", False),
            ("    b", "else:", False),
            ("    ]", "]", False),
            ("@cached", "def f():", False),
            ("# What follows.", "x = 1", False),
            ("    return 1", "def g():", True),
        ],
    )
    def test_at_the_top_level_a_scope_is_one_statement(self, above: str, line: str, outside: bool) -> None:
        assert leaves(line, Scope(0), above=above) is outside

    @pytest.mark.parametrize(
        ("line", "closing"), [("}", True), ("});", True), ("  }", False), ("x", False), ("end", True)]
    )
    def test_the_missing_closing_line(self, line: str, closing: bool) -> None:
        assert closes(line, Scope(1, closer=0)) is closing
        assert not closes(line, Scope(1))


def test_a_tab_counts_as_four_columns() -> None:
    assert [width(line) for line in ("\tx", "    x", "  \tx", "\t  x", "x", "\t")] == [4, 4, 4, 6, 0, 4]


@given(
    text=st.text(alphabet="ab(){}[]:\"'`\n\t #/", max_size=200),
    offset=st.integers(0, 200),
    language=st.sampled_from(sorted(LANGUAGES)),
)
def test_any_text_has_a_scope_or_none(text: str, offset: int, language: str) -> None:
    scope_at(text, min(offset, len(text)), language=language)
