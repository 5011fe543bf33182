"""Explain says what the text of a function, class or module shows, and how it knows."""

from __future__ import annotations

from textwrap import dedent

from codecompose_ls.assistants.explain import explain

SOURCE = dedent('''\
    """Money, kept safe.

    More words.
    """
    import os
    from decimal import Decimal

    LIMIT: int = 3
    _open = {}


    class Account(Base, metaclass=Meta):
        """An account. `x`"""

        owner: str
        count = total = 0

        def __init__(self, owner):
            self.owner = owner
            self._rows = []

        @retry(times=3)  # twice is not enough
        async def move(self, amount: Decimal, *, sep="#",  # the mark
                       to: "Account | None" = None) -> int:
            """Move money.

            Slowly.
            """
            global LIMIT
            LIMIT += 1
            for row in self._rows:
                if row.open and amount > 0 or to is None:
                    self.total -= amount
                    to.ledger[row.id] = await row.settle(amount, os.environ["HOME"])
            try:
                log(", ".join(str(r) for r in self._rows if r))
            except (KeyError, ValueError) as error:
                raise errors.MoveError(sep) from error
            except OSError:
                raise

            def inner():
                return nothing

            return amount if to else LIMIT


    def rows(n):
        while n:
            n -= 1
            yield n
        yield from other(n)
    ''')


def outline(marker: str) -> str:
    offset = SOURCE.index(marker)
    return explain(SOURCE, offset, offset)


def test_a_method() -> None:
    assert outline("global LIMIT") == dedent("""\
        ### `async def move(self, amount: Decimal, *, sep="#", to: "Account | None" = None) -> int`

        > Move money.

        - **Where**: lines 22 to 45, in `Account`
        - **Decorators**: `@retry(times=3)`
        - **Calls**: `row.settle`, `log`, `....join`, `str`
        - **Raises**: `errors.MoveError`, `what it caught`
        - **Returns**: `amount if to else LIMIT`
        - **Reads**: `self._rows`, `os.environ`, `nothing`, `LIMIT`
        - **Writes**: `LIMIT`, `self.total`, `to.ledger[...]`
        - **Complexity**: 10 (McCabe)

        *Outlined by static analysis of this file alone; no model was asked.*
        """)


def test_a_generator() -> None:
    text = outline("while n")
    assert "- **Yields**: `n`, `from other(n)`" in text
    assert "**Returns**" not in text
    assert "- **Complexity**: 2 (McCabe)" in text


def test_a_class() -> None:
    assert outline("class Account").splitlines() == [
        "### `class Account(Base, metaclass=Meta)`",
        "",
        "> An account. `x`",
        "",
        "- **Where**: lines 12 to 45",
        "- **Attributes**: `owner`, `count`, `total`, `_rows`",
        "- **Methods**:",
        "  - `def __init__(self, owner)`, complexity 1",
        '  - `async def move(self, amount: Decimal, *, sep="#", to: "Account | None" = None) -> int`, complexity 10: '
        "Move money.",
        "- **Complexity**: 11 (McCabe), the highest 10 in `move`",
        "",
        "*Outlined by static analysis of this file alone; no model was asked.*",
    ]


def test_the_whole_module_and_a_part_of_it() -> None:
    whole = explain(SOURCE, 0, 0)
    assert "### Module, lines 1 to 52" in whole and "> Money, kept safe." in whole
    assert "- **Imports**: `os`, `decimal`" in whole and "- **Names**: `LIMIT`, `_open`" in whole
    assert "  - `class Account`: An account. `x`" in whole and "  - `def rows(n)`" in whole
    part = explain(SOURCE, SOURCE.index("from decimal"), SOURCE.index("_open"))
    assert "### Module, lines 6 to 8" in part and "`os`" not in part and "Account" not in part


def test_a_selection_of_whole_lines_means_what_is_on_them() -> None:
    start = SOURCE.index("def rows")
    assert explain(SOURCE, start, len(SOURCE)) == explain(SOURCE, start - 2, start + 3)
    assert explain(SOURCE, start, len(SOURCE)).startswith("### `def rows(n)`")


def test_backticks_in_code_take_a_longer_fence() -> None:
    assert explain('def f(a: "`b`"): return 1\n', 3, 3).startswith('### `` def f(a: "`b`") ``\n')


def test_text_that_does_not_parse_is_said_so() -> None:
    assert explain("def f(:\n", 0, 0) == "Nothing to outline: line 1 does not parse as Python.\n"
