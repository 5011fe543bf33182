"""Which code is meant by a selection or a cursor."""

from __future__ import annotations

from textwrap import dedent

import pytest

from codecompose_ls.assistants.assistant import parse
from codecompose_ls.assistants.target import find_target
from codecompose_ls.assistants.task import Task
from codecompose_ls.errors import InputError
from codecompose_ls.types import Document

PYTHON = dedent("""\
    import os

    class A:
        @cached
        def f(self):
            one = 1

            return one

        def g(self): return [x for x in self]

    x = [
        1,
    ]
""")
TYPESCRIPT = (
    "export const f = (a: number) => {\n  return a\n}\n\nexport class B {\n  m() { one(); } n() { two(); }\n}\n"
)


def meant(text: str, selected: str, *, language: str = "python", scope: str = "selection", kind: str = "edit") -> str:
    """What is meant where the text between two bars is selected, or the cursor is at one."""
    before, *between, after = selected.split("|")
    place = text.index(before + "".join(between) + after)
    start = place + len(before)
    front = f'+++\ntitle = "A"\nkind = "{kind}"\nscope = "{scope}"\n+++\n{{{{code}}}}'
    document = Document("untitled:a", "a", language, text)
    task = Task(parse("a", front, origin="user"), document, start, start + len("".join(between)))
    found = find_target(task)
    return text[found.start : found.end]


@pytest.mark.parametrize(
    ("where", "first", "last"),
    [
        ("|one = 1", "    @cached", "        return one"),
        ("        one = 1|\n", "    @cached", "        return one"),
        ("|    @cached", "    @cached", "        return one"),
        ("one = 1\n|\n", "    @cached", "        return one"),
        ("[x for| x", "    def g(self)", "in self]"),
        ("class| A", "class A:", "in self]"),
        ("    1|,", "x = [", "]"),
        ("import| os", "import os", "import os"),
        ("|one = 1|", "        one = 1", "one = 1"),
        ("|        one = 1\n\n|", "        one = 1", "one = 1"),
        ("on|e = 1\n\n        ret|urn", "        one = 1", "return one"),
        ("|\n\nclass A:\n|", "class A:", "class A:"),
    ],
)
def test_what_is_meant_in_python(where: str, first: str, last: str) -> None:
    found = meant(PYTHON, where)
    assert found.startswith(first) and found.endswith(last)


def test_the_whole_function_is_meant_where_an_assistant_says_so() -> None:
    assert meant(PYTHON, "|one = 1|", scope="function").startswith("    @cached")
    assert meant(PYTHON, "|one = 1\n\n        return one\n\n    def g|", scope="function").startswith("class A")
    assert meant(PYTHON, "|import| os", scope="function") == "import os"


def test_what_is_meant_in_typescript() -> None:
    assert meant(TYPESCRIPT, "  return| a", language="typescript").startswith("export const f")
    assert meant(TYPESCRIPT, "tw|o()", language="typescript").strip().startswith("m()")


def test_a_text_may_be_about_the_whole_file() -> None:
    assert meant("\nputs 1\n\nputs 2\n\n", "puts| 1", language="ruby", kind="show") == "puts 1\n\nputs 2"


@pytest.mark.parametrize(("text", "language"), [("", "python"), ("\n \n", "python"), ("puts 1", "ruby")])
def test_an_edit_has_to_be_of_something(text: str, language: str) -> None:
    with pytest.raises(InputError, match="select the code that is meant"):
        meant(text, "|", language=language)
    if not text.strip():
        with pytest.raises(InputError, match="is empty"):
            meant(text, "|", language=language, kind="show")
