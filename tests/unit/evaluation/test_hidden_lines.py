"""Hidden lines keep to their definition: where the cursor may stand, what is taken away, what stays."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.hidden_lines import Case, Kind, Source, cursors, draw, hide
from codecompose_ls.evaluation.projects import Project, find_projects, names

TEXTS = st.text(alphabet=st.sampled_from(list("ab(.,=[{: \t\r\nß\u2028\f)")), max_size=80)


def test_every_cursor_of_a_small_file() -> None:
    text = "def f(a):\n    return a.b \n\n"
    assert cursors(text, Kind.LINE_START) == [(0, 9), (14, 25)]
    hidden = {text[at:end] for at, end in cursors(text, Kind.MID_LINE)}
    assert hidden == {"f(a):", "a):", "a.b ", "b "}


@given(TEXTS, st.sampled_from(list(Kind)))
def test_cursors_keep_to_the_rules(text: str, kind: Kind) -> None:
    for at, end in cursors(text, kind):
        start = max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1
        before, hidden = text[start:at], text[at:end]
        assert hidden.strip() and "\n" not in hidden and "\r" not in hidden
        assert text[end : end + 1] in ("", "\n", "\r")
        if kind is Kind.LINE_START:
            assert not before.strip() and not hidden[0].isspace()
        else:
            assert before.strip() and before[-1] in " (.,=[{:"


@given(TEXTS, st.sampled_from(list(Kind)))
def test_no_trigger_point_is_left_out(text: str, kind: Kind) -> None:
    found = {at for at, _ in cursors(text, kind)}
    start = 0
    for line in text.replace("\r", "\n").split("\n"):
        if line.strip():
            first = start + len(line) - len(line.lstrip())
            if kind is Kind.LINE_START:
                assert first in found
            else:
                points = {start + i for i in range(1, len(line)) if line[i - 1] in " (.,=[{:" and line[i:].strip()}
                assert {point for point in points if point > first} == {
                    at for at in found if start <= at <= start + len(line)
                }
        start += len(line) + 1


@given(TEXTS, st.sampled_from(list(Kind)), st.data())
def test_what_is_hidden_is_gone_and_all_else_stays(text: str, kind: Kind, data: st.DataObject) -> None:
    places = cursors(text, kind)
    if places:
        cursor, end = data.draw(st.sampled_from(places))
        visible, hidden = hide(text, cursor, end)
        assert visible[:cursor] + hidden + visible[cursor:] == text
        assert visible[cursor : cursor + 1] in ("", "\n", "\r")


@pytest.fixture
def projects(tmp_path: Path) -> list[Project]:
    """Two projects: one of six files, one of a single file."""
    for path, lines in {**{f"large/m{i}.py": 30 for i in range(6)}, "small/one.py": 8}.items():
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(f"value_{line} = call({line}, x)\n" for line in range(lines)))
    (tmp_path / "large" / "latin.py").write_bytes(b"name = '\xe9'\n")
    (tmp_path / "large" / "notes.txt").write_text("not = source\n")
    (tmp_path / "large" / "ignored.py").write_text("x = 1\n")
    (tmp_path / "large" / ".gitignore").write_text("ignored.py\n")
    return find_projects([tmp_path], each=True)


def test_a_project_is_the_source_files_that_may_be_read(projects: list[Project]) -> None:
    assert [project.name for project in projects] == ["large", "small"]
    assert projects[0].files == ("latin.py", *(f"m{i}.py" for i in range(6)))


def drawn(projects: list[Project], *, cases: int, per_file: int = 3, seed: int = 0) -> list[Case]:
    """Draw from all lines of the projects."""
    return draw([Source(project, project) for project in projects], cases=cases, per_file=per_file, seed=seed)


def test_drawing_is_fixed_by_the_seed(projects: list[Project]) -> None:
    assert drawn(projects, cases=6, seed=1) == drawn(projects, cases=6, seed=1)
    assert drawn(projects, cases=6, seed=1) != drawn(projects, cases=6, seed=2)


def test_a_case_is_known_by_what_is_asked(projects: list[Project]) -> None:
    cases = drawn(projects, cases=20)
    assert len({case.id for case in cases}) == len(cases)
    assert [case.id for case in drawn(projects, cases=20)] == [case.id for case in cases]
    assert cases[0].id != replace(cases[0], text=cases[0].text + "\n").id


def test_only_the_lines_of_a_source_are_hidden(projects: list[Project]) -> None:
    large = projects[0]
    source = Source(large, large, {"m1.py": frozenset({0, 7}), "m2.py": frozenset({29}), "gone.py": frozenset({1})})
    cases = draw([source], cases=50, per_file=50)
    places = {(case.path, case.text.count("\n", 0, case.offset)) for case in cases}
    assert source.files == ("m1.py", "m2.py")
    assert places == {("m1.py", 0), ("m1.py", 7), ("m2.py", 29)}


def test_projects_take_turns_and_files_give_their_share(projects: list[Project]) -> None:
    cases = drawn(projects, cases=4, per_file=2)
    assert Counter(case.kind for case in cases) == {Kind.MID_LINE: 4, Kind.LINE_START: 4}
    # The small project has one file and so two cases; the large one gives the others.
    assert Counter(case.project.name for case in cases) == {"small": 2, "large": 6}
    assert max(Counter((case.project.name, case.path) for case in cases).values()) <= 2
    assert [case.project.name for case in cases] == sorted(case.project.name for case in cases)


@pytest.mark.parametrize("per_file", [1, 3, 50])
def test_no_line_is_hidden_twice(projects: list[Project], per_file: int) -> None:
    cases = drawn(projects, cases=1000, per_file=per_file)
    lines = [(case.project.name, case.path, case.text.count("\n", 0, case.offset)) for case in cases]
    assert len(set(lines)) == len(lines) == 6 * min(per_file, 30) + min(per_file, 8)
    for case in cases:
        original = case.project.read(case.path)
        assert case.text[: case.offset] + case.hidden + case.text[case.offset :] == original
        assert case.language == "python"


def test_a_folder_without_sources_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        find_projects([tmp_path / "missing"])
    with pytest.raises(InputError, match="no source files"):
        find_projects([tmp_path])


def test_a_project_named_in_vain_is_not_left_out_unnoticed(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.py").write_text("print(1)\n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: no source files"):
        find_projects([tmp_path / "full", tmp_path / "empty"])
    assert [project.name for project in find_projects([tmp_path], each=True)] == ["full"]


def test_projects_of_the_same_name_are_told_apart_by_the_folders_above() -> None:
    assert names([Path("/a/one/src"), Path("/b/two")]) == ["src", "two"]
    assert names([Path("/a/one/repo"), Path("/b/two/repo")]) == ["one/repo", "two/repo"]
    assert names([]) == []


def test_a_fingerprint_changes_with_a_file(projects: list[Project]) -> None:
    before = projects[0].fingerprint()
    assert before == projects[0].fingerprint() != projects[1].fingerprint()
    (projects[0].root / "m3.py").write_text("changed = True\n")
    assert projects[0].fingerprint() != before
