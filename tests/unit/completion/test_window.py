"""Windows: what the model sees, and that its edges stand still while one types."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.completion.window import window
from codecompose_ls.types import Document
from tests.cursor import LIMITS, document, window_at

texts = st.text(alphabet=st.sampled_from('ab():\n \t"é😀'), max_size=300)


class TestTail:
    @pytest.mark.parametrize(
        ("line", "tail"),
        [
            ("print(‸)", ")"),
            ('print("‸")', '")'),
            ("if (‸) {", ") {"),
            ("call(items[‸]);", "]);"),
            ("def f(x‸):", "):"),
            ("Map<String, ‸>", ">"),
            ("x = ‸", ""),
            ("x = ‸   ", "   "),
            ("for ‸:", ":"),
            ("foo(‸a)", ""),
            ("a ‸+ b", ""),
            ("x‸, y", ""),
            ("f(‸)(b)", ""),
        ],
    )
    def test_is_the_rest_of_the_line_if_it_only_closes(self, line: str, tail: str) -> None:
        seen = window_at(f"before\n{line}\nafter\n")
        assert seen.tail == tail
        assert seen.suffix == line.split("‸")[1][len(tail) :] + "\nafter\n"

    def test_a_bracket_the_editor_inserts_changes_nothing_the_model_sees_after_the_cursor(self) -> None:
        assert window_at("foo‸\nnext\n").suffix == window_at("foo(‸)\nnext\n").suffix

    def test_line_breaks_of_windows_are_seen_as_line_feeds(self) -> None:
        seen = window_at("a\r\nprint(‸)\r\nb\r\n")
        assert (seen.prefix, seen.tail, seen.suffix) == ("a\nprint(", ")", "\nb\n")


def test_cells_before_and_after_join_the_window() -> None:
    cell = Document(
        "nb#2", "eda.ipynb", "python", "df.head()\n", kernel="python3", before="import pandas", after="df.tail()"
    )
    seen = window(cell, 3, limits=LIMITS)
    assert seen.prefix == "import pandas\ndf."
    assert seen.suffix == "head()\ndf.tail()"
    assert seen.context(multiline=False).kernel == "python3"


def test_line_prefix_is_the_line_up_to_the_cursor() -> None:
    assert window_at("a\n  b‸c").line_prefix == "  b"
    assert window_at("ab‸").line_prefix == "ab"


class TestLimits:
    lines = "".join(f"line {number:05}\n" for number in range(1000))  # 11 characters each

    def test_seventy_to_thirty_in_whole_lines(self) -> None:
        seen = window(document(self.lines), 5500, limits=(700, 300))
        assert 700 - 62 - 11 <= len(seen.prefix) <= 700
        assert seen.prefix.startswith("line 00")
        assert 300 - 11 <= len(seen.suffix) <= 300
        assert seen.suffix.endswith(tuple("0123456789"))

    def test_what_one_side_leaves_the_other_may_use(self) -> None:
        assert len(window(document(self.lines), 11, limits=(700, 300)).suffix) > 900
        assert len(window(document(self.lines), len(self.lines), limits=(700, 300)).prefix) > 900

    def test_a_line_longer_than_the_window_is_cut_in_its_midst(self) -> None:
        seen = window(document("x" * 9000), 5000, limits=(700, 300))
        assert 638 <= len(seen.prefix) <= 700
        assert len(seen.suffix) == 300


@given(text=texts, offset=st.integers(0, 300), limits=st.tuples(st.integers(16, 200), st.integers(8, 100)))
def test_prefix_tail_and_suffix_are_one_piece_of_the_document(text: str, offset: int, limits: tuple[int, int]) -> None:
    offset = min(offset, len(text))
    seen = window(document(text), offset, limits=limits)
    assert text[:offset].endswith(seen.prefix)
    assert text[offset:].startswith(seen.tail + seen.suffix)
    assert len(seen.prefix) + len(seen.suffix) <= sum(limits)


@given(
    before=st.integers(0, 3000),
    after=st.integers(0, 3000),
    typed=st.integers(2, 120),
    limits=st.tuples(st.integers(200, 700), st.integers(100, 300)),
)
def test_typing_moves_an_edge_at_most_once_a_step(before: int, after: int, typed: int, limits: tuple[int, int]) -> None:
    text = "some line of code\n" * 400
    head, rest = text[:before], text[3600 : 3600 + after]
    windows = [window(document(head + "x" * keys + rest), before + keys, limits=limits) for keys in range(typed)]
    moved = sum(not later.prefix.startswith(earlier.prefix) for earlier, later in pairwise(windows))
    changed = sum(later.suffix != earlier.suffix for earlier, later in pairwise(windows))
    step = sum(limits) // 16
    assert moved <= typed // step + 1 + changed
    assert changed <= typed // step + 1


@given(keys=st.text(alphabet="abc(), =\n", min_size=1, max_size=80))
def test_the_suffix_is_the_same_throughout_a_burst(keys: str) -> None:
    head, rest = "x = 1\n" * 2000, "\ny = 2" * 2000
    windows = [
        window(document(head + keys[:count] + rest), len(head) + count, limits=LIMITS) for count in range(len(keys))
    ]
    assert len({seen.suffix for seen in windows}) == 1
