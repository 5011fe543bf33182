"""Matches: what counts as the same line, perfectly and with names and literals masked."""

from pathlib import Path

import pytest

from codecompose_ls.evaluation.hidden_lines import Case, Kind
from codecompose_ls.evaluation.projects import Project
from codecompose_ls.evaluation.study.matches import Ranks, abstracted, identifiers, ranks
from codecompose_ls.evaluation.study.syntax import words


def _case(code: str, *, language: str = "python", kind: Kind = Kind.MID_LINE) -> Case:
    """A case from code with its hidden part between two bars."""
    before, hidden, after = code.split("|")
    return Case(Project("p", Path(), ()), "f", language, kind, before + after, len(before), hidden)


PYTHON = _case("def total(items):\n    sum = |items.count('x') + 3|\n    return sum\n")
JAVA = _case(
    "class A { int f(List<Foo> xs) { return |xs.size() + this.limit * 2;|\n } }", language="java", kind=Kind.MID_LINE
)


def test_names_and_literals_are_masked_by_what_they_are() -> None:
    assert abstracted(PYTHON, PYTHON.hidden) == "VAR . METHOD ( STRING ) + NUMBER"
    assert abstracted(JAVA, JAVA.hidden) == "VAR . METHOD ( ) + this . VAR * NUMBER ;"


@pytest.mark.parametrize(
    ("language", "code", "masked"),
    [
        ("python", "|class Foo(Bar):|\n    pass\n", "class TYPE ( TYPE ) :"),
        ("python", "def f(|self, a: Dict[str, int]) -> b:|\n  pass\n", "self , VAR : TYPE [ TYPE , TYPE ] ) -> TYPE :"),
        ("typescript", "|const s = new Foo(`a${b}`);|\n", "const VAR = new TYPE ( STRING ) ;"),
        ("go", "package p\nfunc f() { |s := a.Run('c', 1.5)|\n}", "VAR := VAR . METHOD ( STRING , NUMBER )"),
        ("rust", 'fn f() { |let v: Vec<u8> = Foo::new("x");|\n}', "let VAR : TYPE < u8 > = VAR :: METHOD ( STRING ) ;"),
        ("c", "int f() { |struct foo *x = f(a->b, NULL);|\n}", "struct TYPE * VAR = METHOD ( VAR -> VAR , NULL ) ;"),
        ("cpp", "|std::vector<Foo> xs{1};|\n", "VAR :: TYPE < TYPE > VAR { NUMBER } ;"),
    ],
)  # fmt: skip
def test_each_grammar_is_masked_alike(language: str, code: str, masked: str) -> None:
    case = _case(code, language=language)
    assert abstracted(case, case.hidden) == masked


def test_another_name_of_the_same_kind_is_an_abstracted_match_only() -> None:
    candidates = ["items", "values.index('y') + 4", "items.count( 'x' )  +  3"]
    assert ranks(PYTHON, candidates) == Ranks(perfect=3, abstracted=2, is_abstracted=True)
    assert ranks(PYTHON, ["items"]) == Ranks(perfect=None, abstracted=None, is_abstracted=True)


def test_spacing_does_not_count_but_indentation_in_python_does() -> None:
    indented = _case("if a:\n    |return b|\n", kind=Kind.LINE_START)
    assert ranks(indented, ["    return b", "return  b"]).perfect == 2
    java = _case("int f() {\n  |return b;|\n}", language="java", kind=Kind.LINE_START)
    assert ranks(java, ["    return b ;"]).perfect == 1


def test_the_rest_of_a_string_or_comment_that_began_before_keeps_its_text() -> None:
    docstring = _case('"""Says |hello to the world.|\n"""\n')
    assert abstracted(docstring, docstring.hidden) == "hello to the world."
    assert ranks(docstring, ["goodbye."]).abstracted is None
    comment = _case("x = 1  # |one by one|\n")
    assert ranks(comment, ["two by two"]).abstracted is None


def test_identifiers_are_variables_and_functions() -> None:
    assert identifiers(PYTHON, PYTHON.hidden) == ["items", "count"]
    assert identifiers(PYTHON, "Foo(bar) if True else None") == ["Foo", "bar"]


def test_a_language_without_grammar_has_words_and_no_abstraction() -> None:
    ruby = _case("|items.each do |\n", language="ruby")
    assert ranks(ruby, ["items.each do"]) == Ranks(perfect=1, abstracted=None, is_abstracted=False)
    assert identifiers(ruby, ruby.hidden) == ["items", "each", "do"]


def test_an_expression_of_many_terms_is_not_too_deep() -> None:
    text = "x = " + " + ".join(["1"] * 5_000) + "\n"
    found = words(text, 0, len(text), language="python")
    assert found is not None and len(found) == 10_001
