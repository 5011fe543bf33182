"""The floor copies what follows the longest match, and never sees what is hidden."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.evaluation.floor import Floor, ProjectIndex, Vocabulary, complete_line
from codecompose_ls.evaluation.hidden_lines import Case, Kind, Source, draw, hide
from codecompose_ls.evaluation.projects import Project, find_projects


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "other.py").write_text("total = add(price, tax)\nprint(total)\nreturn self.name\n")
    (tmp_path / "case.py").write_text("secret = only_here(1, 2)\n")
    return find_projects([tmp_path])[0]


def completed(project: Project, text: str, *, path: str = "case.py") -> str | None:
    """Complete a text whose cursor is written as `|`."""
    offset = text.index("|")
    case = Case(project, path, "python", Kind.MID_LINE, text.replace("|", "", 1), offset, "")
    return complete_line(case, ProjectIndex(project))


def test_a_line_of_another_file_is_copied_to_its_end(project: Project) -> None:
    assert completed(project, "cost = add(|\nx = 1\n") == "price, tax)"


def test_indentation_and_blank_lines_do_not_hinder_a_match(project: Project) -> None:
    assert completed(project, "\n\n        print(|") == "total)"


def test_the_longest_match_wins(project: Project) -> None:
    text = "a = self.size\nb = self.size\nreturn self.|\n"
    assert completed(project, text) == "name"
    assert completed(project, text.replace("return ", "c = ")) == "size"


def test_the_text_after_the_cursor_counts_too(project: Project) -> None:
    assert completed(project, "first = open(|\nsecond = open(path, mode)\n") == "path, mode)"


def test_among_equal_matches_the_majority_and_then_the_nearest(project: Project) -> None:
    far, near = "go(far)\n", "go(near)\n"
    assert completed(project, near + far + far + "q\ngo(|") == "far)"
    assert completed(project, far + near + "q\ngo(|") == "near)"


def test_the_file_on_disk_is_left_out(project: Project) -> None:
    assert completed(project, "secret = only_here(|\n", path="other.py") == "1, 2)"
    assert completed(project, "secret = only_here(|\n", path="case.py") != "1, 2)"


def test_nothing_that_goes_on_within_the_line_is_silence(project: Project) -> None:
    assert completed(project, "nothing @|\n") is None


async def test_as_a_predictor_it_indexes_each_project_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.py").write_text(f"call_{name}(one, two)\ncall_{name}(one, two)\n")
    projects = find_projects([tmp_path], each=True)
    floor = Floor()
    for case in draw([Source(project, project) for project in projects], cases=2, seed=3):
        floor.prepare(case)
        assert (await floor.predict(case)).text is not None


@given(st.text(alphabet=st.sampled_from(list('ab(. \t\nß"\u2028')), max_size=60))
def test_tokens_join_to_the_text_but_for_space_after_line_breaks(text: str) -> None:
    vocabulary = Vocabulary()
    joined = vocabulary.decode(vocabulary.encode(text))
    assert joined.split() == text.split()
    if "\n" not in text:
        assert joined == text


@given(
    st.lists(st.sampled_from(["x = f(a, b)", "    y = [a]", "", "z", "x = f(b)"]), min_size=1, max_size=12), st.data()
)
def test_a_copied_line_is_in_the_project_or_the_document(lines: list[str], data: st.DataObject) -> None:
    text = "\n".join(lines)
    cursor = data.draw(st.integers(0, len(text)))
    end = text.find("\n", cursor)
    visible, _ = hide(text, cursor, len(text) if end < 0 else end)
    empty = Project("p", Path("/nowhere"), ())
    case = Case(empty, "new.py", "python", Kind.MID_LINE, visible, cursor, "")
    suggested = complete_line(case, ProjectIndex(empty))
    assert suggested is None or (suggested and suggested in visible and "\n" not in suggested)
