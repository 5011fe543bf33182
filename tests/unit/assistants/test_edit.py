"""An answer becomes an edit only where the file is read as before all around it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codecompose_ls.assistants.assistant import Assistant, parse
from codecompose_ls.assistants.context import Given
from codecompose_ls.assistants.counterpart import Counterpart
from codecompose_ls.assistants.edit import edit_of
from codecompose_ls.assistants.library import library
from codecompose_ls.assistants.outcome import FileEdit, results
from codecompose_ls.assistants.reply import Unfit
from codecompose_ls.assistants.syntax import Syntax
from codecompose_ls.assistants.target import find_target
from codecompose_ls.assistants.task import Task
from codecompose_ls.types import Document

SOURCE = dedent('''\
    import os


    class Account:
        """Money."""

        def send(self, amount):
            self.total -= amount
            return self.total

        def receive(self, amount):
            self.total += amount


    def fee(amount):
        return amount / 100
''')
SEND = "    def send(self, amount):\n        self.total -= amount\n        return self.total"
BETTER = (
    "def send(self, amount):\n    if amount < 0:\n        raise ValueError(amount)\n"
    "    self.total -= amount\n    return self.total"
)


def assistant(**values: object) -> Assistant:
    front = "\n".join(
        f"{name} = {str(value).lower() if value is True else repr(value)}" for name, value in values.items()
    )
    return parse("a", f'+++\ntitle = "A"\nkind = "edit"\n{front}\n+++\n{{{{code}}}}', origin="user")


def edit(
    answer: str, *, source: str = SOURCE, selected: str = "self.total -=", language: str = "python", **values: object
) -> FileEdit:
    start = source.index(selected)
    document = Document("file:///a", "a", language, source)
    whole = len(selected) if "\n" in selected else 0
    task = Task(assistant(**values), document, start, start + whole)
    return edit_of(task, Given({}, find_target(task)), answer)


def text(answer: str, **how: object) -> str:
    (found,) = results([edit(answer, **how)]).values()  # type: ignore[arg-type]
    return found


def block(code: str, tag: str = "python") -> str:
    return f"```{tag}\n{code}\n```"


def test_the_innermost_function_is_what_is_replaced_and_only_its_changed_lines() -> None:
    found = edit(block(BETTER))
    assert found.source[found.start : found.end] == ""
    assert found.text == "        if amount < 0:\n            raise ValueError(amount)\n"
    assert text(block(BETTER)) == SOURCE.replace("        self.total -=", found.text + "        self.total -=")


def test_what_is_selected_is_what_is_replaced() -> None:
    selected = "        self.total -= amount\n        return self.total\n"
    assert text(block("return 1"), selected=selected) == SOURCE.replace(selected, "        return 1\n")


def test_part_of_a_line_means_the_line() -> None:
    answer = block("        self.total = self.total - amount\n        return self.total")
    assert "total - amount\n" in text(answer, selected="-= amount\n        return")


def test_at_a_cursor_outside_of_functions_the_statement_is_replaced() -> None:
    assert text(block("import os, sys"), selected="import") == SOURCE.replace("import os", "import os, sys")


def test_other_line_ends_stay() -> None:
    windows = SOURCE.replace("\n", "\r\n")
    assert text(block(BETTER), source=windows) == text(block(BETTER)).replace("\n", "\r\n")


def test_an_answer_without_fences_may_be_code() -> None:
    assert text(BETTER) == text(block(BETTER))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "holds no code"),
        ("Done.", "holds no code block"),
        ("Done", "holds no code block"),
        (block("Done"), "does not define 'Account.send' any more"),
        (block(SEND), "changes nothing"),
        (block("def send(self, amount):\n    return ("), "would not parse any more"),
        (block('def send(self, amount):\n    """'), "would not parse any more"),
        (block("def sent(self, amount):\n    return 1"), "does not define 'Account.send' any more"),
        (
            block("def send(self, amount):\n    return 1") + "\n" + block("def send(self, amount):\n    return 2"),
            "more than one",
        ),
        (block("- def send(self, amount):\n+ def send(self, amount, to):", "diff"), "would not parse any more"),
        (block("def send(self, amount):\n    # \u202e\n    return 1"), r"control character U\+202E"),
        (block("def send(self, amount):\n    return '********'"), "secret that was masked"),
        ("```python\n" + BETTER, "breaks off"),
        (block("def send(self, amount):\n    return print 1"), "would not parse"),
    ],
)
def test_what_does_not_fit_is_no_edit(answer: str, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        edit(answer)


def test_what_follows_must_not_be_drawn_in() -> None:
    source = "function f() {\n  one();\n  two();\n}\n"
    with pytest.raises(Unfit, match="what follows the edit"):
        edit(block("  if (x)", "js"), source=source, selected="one();\n", language="javascript")


def test_a_file_that_did_not_parse_elsewhere_may_be_edited() -> None:
    broken = SOURCE + "\ndef broken(:\n    pass\n"
    assert text(block(BETTER), source=broken) == text(block(BETTER)) + "\ndef broken(:\n    pass\n"


def test_code_that_did_not_parse_may_be_mended() -> None:
    broken = SOURCE.replace("-= amount", "-= (amount")
    selected = "        self.total -= (amount\n"
    assert text(block("self.total -= amount"), source=broken, selected=selected) == SOURCE


def test_where_only_comments_may_change_no_code_does() -> None:
    documented = 'def send(self, amount):\n    """Send."""\n    # now\n    self.total -= amount\n    return self.total'
    assert '"""Send."""' in text(block(documented), comments_only=True)
    for other in (documented.replace("-=", "+="), documented.replace('"""Send."""', 'f"{self.wipe()}"')):
        with pytest.raises(Unfit, match="changes code"):
            edit(block(other), comments_only=True)


@pytest.mark.parametrize(
    ("language", "source", "selected", "answer"),
    [
        (
            "typescript",
            "export class A {\n  f(a: number) {\n    return a\n  }\n}\n",
            "return",
            "f(a: number) {\n  return 1\n}",
        ),
        ("javascript", "const f = (a) => {\n  return a\n}\n", "return", "const f = (a) => {\n  return 1\n}"),
        ("go", "package m\n\nfunc F(a int) int {\n\treturn a\n}\n", "return", "func F(a int) int {\n    return 1\n}"),
        ("rust", "impl A {\n    fn f(&self) -> i32 {\n        2\n    }\n}\n", "2", "fn f(&self) -> i32 {\n    1\n}"),
        ("java", "class A {\n  int f() {\n    return 2;\n  }\n}\n", "return", "int f() {\n  return 1;\n}"),
        ("c", "static int *f(int a) {\n  return 0;\n}\n", "return", "static int *f(int a) {\n  return 1;\n}"),
        ("cpp", "int A::f() {\n  return 0;\n}\n", "return", "int A::f() {\n  return 1;\n}"),
        ("lua", "function f()\n  return 0\nend\n", "function f()\n  return 0\nend\n", "function f()\n  return 1\nend"),
    ],
)
def test_every_language_is_edited_in_its_own_way(language: str, source: str, selected: str, answer: str) -> None:
    after = text(block(answer, language), source=source, selected=selected, language=language)
    assert "1" in after and after.count("\n") == source.count("\n")
    assert [line[:1] for line in after.splitlines()] == [line[:1] for line in source.splitlines()]
    with pytest.raises(Unfit):
        edit(
            block(answer + "\n}}}" if language != "lua" else answer + "\n)"),
            source=source,
            selected=selected,
            language=language,
        )


def in_tests(answer: str, before: str | None, name: str = "test_money.py", language: str = "python") -> FileEdit:
    task = Task(library(None).find("implement-tests"), Document("file:///money.py", "money.py", language, "x"), 0, 0)
    return edit_of(task, Given({}, None, Counterpart(Path(f"/tests/{name}"), before)), answer)


def test_tests_are_a_new_file_or_come_at_the_end() -> None:
    code = "from money import fee\n\n\ndef test_fee():\n    assert fee(100) == 1"
    new = in_tests(block(code), None)
    assert new.creates and new.uri == "file:///tests/test_money.py" and new.text == code + "\n"
    added = in_tests(block(code), "from money import fee\n\n\ndef test_old(): ...\n")
    assert not added.creates and added.start == added.end == len(added.source)
    assert added.text == "\n\ndef test_fee():\n    assert fee(100) == 1\n"


@pytest.mark.parametrize(
    ("answer", "before", "name", "language", "why"),
    [
        ("def test_a(): ...", None, "test_a.py", "python", "holds no code block"),
        (block("def test_a(:"), None, "test_a.py", "python", "does not parse"),
        (block("print(1)"), None, "test_a.py", "python", "holds no tests"),
        (block("def test_a(:"), "x = 1\n", "test_a.py", "python", "would not parse"),
        (block("package a\nfunc TestA() {}", "go"), "package a\n", "a_test.go", "go", "there already"),
    ],
)
def test_tests_that_do_not_fit_are_not_written(
    answer: str, before: str | None, name: str, language: str, why: str
) -> None:
    with pytest.raises(Unfit, match=why):
        in_tests(answer, before, name, language)


#: Lines of answers: good, bad, and beside the point.
PIECES = st.sampled_from(
    [
        "def send(self, amount):",
        "    def send(self, amount):",
        "    return amount",
        "        return amount",
        "return 1",
        "```",
        "```python",
        "~~~",
        '    """',
        "    (",
        "",
        "Here it is:",
        "class Account:",
        "if x:",
        "\tx = 1",
    ]
)


@settings(max_examples=150)
@given(st.lists(PIECES, max_size=8), st.sampled_from([SEND, "self.total -= ", "        return self.total\n"]))
def test_no_answer_touches_what_is_outside_or_breaks_the_file(lines: list[str], selected: str) -> None:
    start = SOURCE.index(selected)
    try:
        found = edit("\n".join(lines), selected=selected)
    except Unfit:
        return
    first, last = (
        (start, start + len(selected)) if "\n" in selected else (SOURCE.index(SEND), SOURCE.index(SEND) + len(SEND))
    )
    assert first <= found.start <= found.end <= last
    (after,) = results([found]).values()
    assert not Syntax(after, "python").errors()
    compile(after, "a.py", "exec")
    names = {one.name for one in Syntax(after, "python").definitions(0, len(after))}
    assert {"Account", "Account.send", "Account.receive", "fee"} <= names
