"""Docstring skeletons say what the code says, in the style of the file, and change nothing else."""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import codecompose_ls
from codecompose_ls.assistants.docstrings import add_docstrings

FUNCTION = dedent("""\
    def read_rows(path: str, *names: str, sep=",", limit: "int | None" = None, **rest) -> Iterator[dict[str, int]]:
        # Slowly.
        if not path:
            raise ValueError(path)
        yield {}
""")


def apply(source: str, start: int = 0, end: int | None = None) -> str:
    edits = add_docstrings(source, start, len(source) if end is None else end)
    for edit in reversed(edits):
        source = source[: edit.start] + edit.text + source[edit.end :]
    return source


def documented(example: str) -> str:
    """The docstring that `FUNCTION` gets in a file with this docstring."""
    after = apply(f"{example}\n\n{FUNCTION}")
    return ast.get_docstring(ast.parse(after).body[-1]) or ""  # type: ignore[arg-type]


def test_googles_style_is_the_one_where_the_file_shows_none() -> None:
    expected = dedent('''\
        def read_rows(path: str, *names: str, sep=",", limit: "int | None" = None, **rest) -> Iterator[dict[str, int]]:
            """Read rows.

            Args:
                path (str): ...
                *names (str): ...
                sep: ... Defaults to ",".
                limit (int | None): ... Defaults to None.
                **rest: ...

            Yields:
                dict[str, int]: ...

            Raises:
                ValueError: ...
            """
            # Slowly.
            if not path:
                raise ValueError(path)
            yield {}
    ''')
    assert apply(FUNCTION) == expected


def test_numpys_style() -> None:
    said = documented('def a():\n    """A.\n\n    Returns\n    -------\n    int\n    """')
    assert said.startswith("Read rows.\n\nParameters\n----------\npath : str\n    ...\n*names : str\n    ...\n")
    assert 'sep : default ","\n    ...' in said and "Raises\n------\nValueError\n    ..." in said


def test_rests_style() -> None:
    said = documented('def a():\n    """A.\n\n    :param x: x\n    """')
    assert said.startswith("Read rows.\n\n:param path: ...\n:type path: str\n:param \\*names: ...")
    assert said.endswith(":yields: ...\n:raises ValueError: ...")


def test_plain_style() -> None:
    said = documented('def a():\n    """A.\n\n    It is a thing.\n    """')
    assert said == (
        "Read rows.\n\nTakes path (str), *names (str), sep, limit (int | None) and **rest.\n"
        "Yields dict[str, int].\nRaises ValueError."
    )


def test_the_files_quotes_and_indentation_are_kept() -> None:
    assert apply("def a():\n\t'''A.'''\n\n\ndef b():\n\treturn None\n").endswith(
        "def b():\n\t'''B.'''\n\treturn None\n"
    )


def test_classes_methods_and_one_line_bodies() -> None:
    source = dedent("""\
        class HTTPServer:

            port: int = 80

            def __init__(self, port): self.port = port

            @property
            def url(self): return f"http://{self.port}"

            @staticmethod
            def of(text): pass

            @overload
            def skip(self): ...
    """)
    after = apply(source)
    assert 'class HTTPServer:\n    """HTTP server."""\n\n    port' in after
    assert '"""Initialize.\n\n        Args:\n            port: ...\n        """\n        self.port = port' in after
    assert '"""Url.\n\n        Returns:\n            ...\n        """\n        return f"' in after
    assert '"""Of.\n\n        Args:\n            text: ...\n        """\n        pass' in after
    assert after.endswith("@overload\n    def skip(self): ...\n")


def test_only_the_innermost_definition_at_a_cursor() -> None:
    source = "class A:\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n"
    at = source.index("return 2")
    after = apply(source, at, at)
    assert after.count('"""') == 2 and '"""G.' in after


def test_what_would_end_a_string_or_escape_stays_literal() -> None:
    after = apply('def f(a=\'\\n\', b=\'"""\', c="\\\\"):\n    return a\n')
    tree = ast.parse(after)
    assert 'r"""F.' in after and "Defaults to '\\n'." in (ast.get_docstring(tree.body[0]) or "")  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["x = 1\n", "def f(:\n", 'def f():\n    """F."""\n', ""])
def test_nothing_to_add(source: str) -> None:
    assert add_docstrings(source, 0, len(source)) == ()


def without_docstrings(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:]
    return ast.dump(tree)


@pytest.mark.parametrize("name", ["selection", "reply"])
def test_real_code_stays_the_same_and_the_second_time_there_is_nothing_to_add(name: str) -> None:
    source = (Path(codecompose_ls.__file__).parent / "assistants" / f"{name}.py").read_text(encoding="utf-8")
    bare = "".join(
        line for line in source.splitlines(keepends=True) if not line.strip().startswith('"""') or line.strip() == '"""'
    )
    for text in (source, bare):
        try:
            ast.parse(text)
        except SyntaxError:
            continue
        after = apply(text)
        assert without_docstrings(after) == without_docstrings(text)
        assert add_docstrings(after, 0, len(after)) == ()


@settings(max_examples=20)
@given(st.text(st.sampled_from("ab_ABX1é"), min_size=1, max_size=8).filter(str.isidentifier))
def test_any_name_can_be_said_in_words(name: str) -> None:
    after = apply(f"def {name}():\n  pass\n")
    said = ast.get_docstring(ast.parse(after).body[0])  # type: ignore[arg-type]
    assert said and said.endswith(".") and "\n" not in said
