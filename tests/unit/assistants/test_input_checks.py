"""Input checks are added where annotations and docstrings speak plainly, and nowhere else."""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import codecompose_ls
from codecompose_ls.assistants.input_checks import Edit, add_input_checks


def edit_at(source: str, marker: str) -> Edit | None:
    offset = source.index(marker)
    return add_input_checks(source, offset, offset)


def checked(source: str, marker: str = "def ") -> str:
    """Apply the edit for the function at `marker`; it must parse and add nothing the second time."""
    edit = edit_at(source, marker)
    assert edit is not None
    result = source[: edit.start] + edit.text + source[edit.end :]
    ast.parse(result)
    assert edit_at(result, marker) is None
    return result


def added(source: str, marker: str = "def ") -> list[str]:
    """Return the conditions that are added."""
    edit = edit_at(dedent(source), marker)
    return [line.strip()[3:-1] for line in edit.text.splitlines() if line.strip().startswith("if ")] if edit else []


def test_a_method_with_a_docstring_comments_and_a_nested_function() -> None:
    source = dedent('''\
        from typing import Optional, Sequence


        class Store:
            @classmethod
            async def resize(
                cls,
                name: str,
                /,
                width: int,  # pixels
                height: "int | None" = None,
                *,
                rows: Sequence[int] = (),
            ) -> None:
                """Resize it.

                Args:
                    name: Must not be empty; used as key.
                    width (int): The new width. Must be positive.
                    height: a positive integer, or None
                        for the natural one.
                """  # noqa: D205

                # the old size first
                def inner(width):  # shadows on purpose
                    return width

                return inner(width)
        ''')
    expected = dedent("""\
        if not isinstance(name, str):
            raise TypeError(f"name must be str, not {type(name).__name__}")
        if len(name) == 0:
            raise ValueError(f"name must not be empty, not {name!r}")
        if not isinstance(width, int):
            raise TypeError(f"width must be int, not {type(width).__name__}")
        if width <= 0:
            raise ValueError(f"width must be positive, not {width!r}")
        if height is not None and not isinstance(height, int):
            raise TypeError(f"height must be int or None, not {type(height).__name__}")
        if height is not None and height <= 0:
            raise ValueError(f"height must be positive, not {height!r}")
        if not isinstance(rows, Sequence):
            raise TypeError(f"rows must be Sequence, not {type(rows).__name__}")
        """)
    indented = "".join(f"        {line}\n" for line in expected.splitlines())
    before, after = source.split("        # the old size first\n")
    assert checked(source, "async def") == f"{before}{indented}        # the old size first\n{after}"


def test_a_body_on_the_line_of_its_def_moves_below() -> None:
    assert checked("if True:\n\tdef f(x: int): return x  # kept\n") == (
        "if True:\n\tdef f(x: int):\n"
        "\t\tif not isinstance(x, int):\n"
        '\t\t\traise TypeError(f"x must be int, not {type(x).__name__}")\n'
        "\t\treturn x  # kept\n"
    )


def test_line_ends_and_comments_above_the_first_statement_are_kept() -> None:
    source = "def f(\r\n    x: bytes,\r\n):  # why\r\n\r\n    # first\r\n\r\n# dedented\r\n    return x\r\n"
    assert checked(source) == source.replace(
        "    # first",
        "    if not isinstance(x, bytes):\r\n"
        '        raise TypeError(f"x must be bytes, not {type(x).__name__}")\r\n'
        "    # first",
    )


def test_only_the_innermost_function_around_the_selection_is_edited() -> None:
    source = "def outer(a: int):\n    def inner(b: str):\n        return b\n    return inner\n"
    inner = edit_at(source, "return b")
    assert inner is not None and "isinstance(b" in inner.text and "isinstance(a" not in inner.text
    assert inner.start == source.index("        return b")
    outer = add_input_checks(source, 0, len(source))
    assert outer is not None and "isinstance(a" in outer.text and "isinstance(b" not in outer.text


@pytest.mark.parametrize(
    ("parameter", "condition"),
    [
        ("x: int", "not isinstance(x, int)"),
        ("x: float", "not isinstance(x, (int, float))"),
        ("x: bool = False", "not isinstance(x, bool)"),
        ("x: list[int]", "not isinstance(x, list)"),
        ("x: 'dict[str, Foo]'", "not isinstance(x, dict)"),
        ("x: t.List[Foo]", "not isinstance(x, list)"),
        ("x: t.Set[int]", "not isinstance(x, set)"),
        ("x: Optional[str]", "x is not None and not isinstance(x, str)"),
        ("x: int = None", "x is not None and not isinstance(x, int)"),
        ("x: str | None = None", "x is not None and not isinstance(x, str)"),
        ("x: Union[str, Path]", "not isinstance(x, (str, Path))"),
        ("x: Union[str, bytes, None] = b''", "x is not None and not isinstance(x, (str, bytes))"),
        ("x: Mapping[str, int]", "not isinstance(x, Mapping)"),
        ("x: t.Callable[[int], str]", "not isinstance(x, t.Callable)"),
        ("x: t.Annotated[int, 'metres']", "not isinstance(x, int)"),
        ("x: Literal['a', 'b']", 'x not in ("a", "b")'),
        ("x: Literal[-1]", "x != -1"),
        ("x: Literal['a', None] = None", 'x is not None and x != "a"'),
        ("x: Union[int, Literal['auto']] = 'auto'", 'not isinstance(x, int) and x != "auto"'),
    ],
)
def test_an_annotation_becomes_a_condition(parameter: str, condition: str) -> None:
    imports = """
    import typing as t
    from collections.abc import Mapping
    from pathlib import Path
    from typing_extensions import Literal, Optional, Union
    """
    assert added(dedent(imports) + f"def f({parameter}): return x\n") == [condition]


@pytest.mark.parametrize(
    ("before", "parameter"),
    [
        ("", "x"),
        ("", "x: Foo"),
        ("", "x: Union[int, str]"),  # not imported: it may be anything
        ("from typing import Any, Union", "x: Any"),
        ("from typing import Union", "x: Union[int, Foo]"),
        ("from typing import TypeVar; T = TypeVar('T')", "x: T"),
        ("from typing import Literal", "x: Literal[Colour.RED]"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from collections.abc import Mapping", "x: Mapping"),
        ("from numpy import int", "x: int"),
        ("class list: ...", "x: list"),
        ("", "list: list"),
        ("", "x: int, isinstance=None"),
        ("", "x: int = MISSING"),
        ("", "x: int = ..."),
        ("", "x: str = 0"),
        ("", "x: 'not an (expression'"),
        ("", "x: None"),
        ("", "*x: int, **y: int"),
    ],
)
def test_what_cannot_be_known_is_left_alone(before: str, parameter: str) -> None:
    assert added(f"{before}\ndef f({parameter}): return 1\n", marker="def f") == []


@pytest.mark.parametrize(
    "body",
    ["...", "pass", '"""Doc."""', '"""Doc."""\n    ...', "raise NotImplementedError", "raise NotImplementedError()"],
)
def test_a_stub_is_left_alone(body: str) -> None:
    assert added(f"def f(x: int):\n    {body}\n") == []


def test_an_overload_is_left_alone() -> None:
    assert added("import typing\n@typing.overload\ndef f(x: int):\n    return 1\n") == []


@pytest.mark.parametrize(
    "guard",
    [
        "if not isinstance(x, int): raise TypeError",
        "if isinstance(x, str):\n        x = int(x)",
        "assert x, 'wanted'",
        "if x < 0:\n        if z:\n            raise ValueError(x)",
    ],
)
def test_a_parameter_that_is_checked_already_is_skipped(guard: str) -> None:
    assert added(f"def f(x: int, y: str):\n    {guard}\n    return x\n") == ["not isinstance(y, str)"]


@pytest.mark.parametrize(
    ("description", "condition"),
    [
        ("must be positive", "x <= 0"),
        ("A strictly positive integer.", "x <= 0"),
        ("the size, must be non-negative", "x < 0"),
        ("It cannot be negative.", "x < 0"),
        ("Should be greater than zero.", "x <= 0"),
        ("must be greater than or equal to 2", "x < 2"),
        ("must be at most 0.5.", "x > 0.5"),
        ("must be between -1 and 1 (inclusive)", "not -1 <= x <= 1"),
        ("must be in the range [0, 1]", "not 0 <= x <= 1"),
        ("must be one of 'a', ``'b'`` or 'c'.", 'x not in ("a", "b", "c")'),
        ("must not be empty", "len(x) == 0"),
        ("A non-empty list of names", "len(x) == 0"),
        ("must be positive, or None", "x is not None and x <= 0"),
    ],
)
@pytest.mark.parametrize(
    "layout",
    [
        "Do it.\n\n    :param int x: {}\n    :returns: y\n    ",
        "Do it.\n\n    Args:\n        x (int): {}\n        y: must be negative\n    ",
        "Do it.\n\n    Parameters\n    ----------\n    x : number, optional\n        {}\n    y : int\n    ",
    ],
)
def test_a_rule_in_a_docstring_becomes_a_condition(layout: str, description: str, condition: str) -> None:
    assert added(f'def f(x, y):\n    """{layout.format(description)}"""\n    return x\n') == [condition]


def test_a_sentence_that_begins_with_the_name_counts_too() -> None:
    assert added('def f(rate):\n    """Wait. `rate` must be between 0.1 and 2.5."""\n    return rate\n') == [
        "not 0.1 <= rate <= 2.5"
    ]


@pytest.mark.parametrize(
    "description",
    [
        "must be positive unless y is given",
        "must be positive or zero",
        "must be positive if y",
        "must be at least 5 characters long",
        "must be at least 10 %",
        "the value is positive",
        "must be one of the known names",
        "must not be positive",
        "the moments, where y must be at least 4",
        "values must be between 0 and 1",
        "A positive number means to wait",
    ],
)
def test_a_sentence_with_a_condition_says_nothing(description: str) -> None:
    assert added(f'def f(x):\n    """Do it.\n\n    :param x: {description}\n    """\n    return x\n') == []


def test_a_rule_has_to_fit_the_type_and_the_default() -> None:
    source = '''
    def f(a: str, b: int = -1, c: int = 1, d: float = None):
        """Do it.

        Args:
            a: must be positive
            b: must be positive
            c: must be positive
            d: must be positive
        """
        return a
    '''
    assert [condition for condition in added(source) if "isinstance" not in condition] == [
        "c <= 0",
        "d is not None and d <= 0",
    ]


def test_a_message_says_what_was_given_unless_type_is_a_parameter() -> None:
    edit = edit_at("def f(type: str):\n    return type\n", "def")
    assert edit is not None and edit.text.endswith('raise TypeError("type must be str")\n')


@pytest.mark.parametrize("source", ["x = 1\n", "class A:\n    x: int = 1\n", "def f(x: int:\n", ""])
def test_no_function_or_no_python_is_nothing_to_add(source: str) -> None:
    assert add_input_checks(source, 0, 0) is None


_PARAMETERS = st.lists(
    st.tuples(
        st.sampled_from(["x", "size", "type", "len", "name", "größe", "_"]),
        st.sampled_from(
            ["", ": int", ": str", ": 'list[int] | None'", ": Foo", ": Literal['\"', '{}', \"'\", '\\\\']"]
        ),
        st.sampled_from(["", " = None", " = 3", " = ''", " = f()"]),
    ),
    unique_by=lambda parameter: parameter[0],
    max_size=4,
)
_BODIES = st.lists(
    st.sampled_from(
        [
            "return 1",
            "# comment",
            "",
            "x = size = 2",
            "async_ = lambda x: x",
            "if x:\n{i}{u}raise ValueError",
            "a = '''\n b'''",
        ]
    ),
    max_size=4,
)


@given(
    parameters=_PARAMETERS,
    body=_BODIES,
    docstring=st.sampled_from(["", '"""Doc."""', '"""Doc.\n\n{i}size: must be positive\n{i}"""  # c', "'x'; y = 1"]),
    header=st.sampled_from(
        ["def f({}):", "async def f({}) -> int:  # c", "@deco(1)\n{o}def f({}):", "def f(self, {}):"]
    ),
    outer=st.sampled_from(["", "class A:\n", "class A:\n{u}# c\n{u}z = 1\n"]),
    unit=st.sampled_from(["    ", "\t", "  "]),
    newline=st.sampled_from(["\n", "\r\n"]),
    tail=st.sampled_from(["", "\n", "\nx = 1\n", "\n\n\n# end\ndef g(x: int):\n{u}return x\n"]),
)
@settings(max_examples=150, deadline=None)
def test_the_result_parses_and_changes_the_function_alone(
    parameters: list[tuple[str, str, str]],
    body: list[str],
    docstring: str,
    header: str,
    outer: str,
    unit: str,
    newline: str,
    tail: str,
) -> None:
    indentation = unit if outer else ""
    arguments = ", ".join("".join(parts) for parts in sorted(parameters, key=lambda one: one[2] != ""))
    lines = [indentation + header.format(arguments, o=indentation)]
    lines += [indentation + unit + line for line in (docstring, *body, "return 0") if line]
    function = "\n".join(lines).replace("{i}", indentation + unit).replace("{u}", unit)
    before = "from typing import Literal\n" + outer.replace("{u}", unit)
    source = (before + function + tail.replace("{u}", unit)).replace("\n", newline)
    start = len(before.replace("\n", newline))
    end = start + len(function.replace("\n", newline))
    ast.parse(source)
    edit = add_input_checks(source, end, end)
    if edit is not None:
        assert start < edit.start <= edit.end <= end
        assert not source[edit.start : edit.end].strip()
        result = source[: edit.start] + edit.text + source[edit.end :]
        ast.parse(result)
        assert add_input_checks(result, end + len(edit.text), end + len(edit.text)) is None


@pytest.mark.parametrize("path", sorted(Path(codecompose_ls.__file__).parent.glob("*.py")), ids=lambda path: path.name)
def test_every_function_of_this_package_can_be_checked(path: Path) -> None:
    source = path.read_text()
    for match in [source.index("def ", i) for i in range(len(source)) if source.startswith("def ", i)]:
        edit = add_input_checks(source, match, match)
        if edit is not None:
            ast.parse(source[: edit.start] + edit.text + source[edit.end :])
