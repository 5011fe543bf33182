"""Session replay: lines of one commit, asked for among its other changes; real git repositories."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from codecompose_ls.evaluation.hidden_lines import Case, Kind
from codecompose_ls.evaluation.sessions import MOST_FILES, draw_sessions
from tests.unit.evaluation.test_history import Git

SHOP = "import decimal\n\n\ndef price(item):\n    return item.price\n\n\ndef total(items):\n    return sum(items)\n"
SALE = SHOP.replace("item.price\n", "item.price * item.discount\n").replace(
    "sum(items)\n", "sum(map(discounted, items))\n"
)
PAGE = "def show(items):\n    print(items)\n"
SALE_PAGE = "def show(items):\n    print(discounted_total(items))\n    print(discounted_items(items))\n"


@pytest.fixture
def git(tmp_path: Path) -> Git:
    git = Git(tmp_path / "shop")
    git.commit(shop__py=SHOP, page__py=PAGE)
    return git


def drawn(git: Git, *, cases: int = 1, seed: int = 0) -> list[Case]:
    return draw_sessions([git.root], "2025-01-02", cases=cases, seed=seed)


def restored(case: Case) -> str:
    return case.text[: case.offset] + case.hidden + case.text[case.offset :]


def test_a_line_of_a_commit_is_asked_for_in_the_workspace_before_it(git: Git) -> None:
    git.commit(shop__py=SALE, page__py=SALE_PAGE)
    cases = drawn(git)
    assert {case.kind for case in cases} == set(Kind)
    for case in cases:
        assert (case.project.read("shop.py"), case.project.read("page.py")) == (SHOP, PAGE)
        line = case.text[: case.offset].rpartition("\n")[2] + case.hidden
        assert line in (SALE + SALE_PAGE).split("\n") and line not in (SHOP + PAGE).split("\n")


def test_the_document_is_the_last_edit_and_was_the_workspaces_before(git: Git) -> None:
    git.commit(shop__py=SALE, page__py=SALE_PAGE)
    for case in drawn(git):
        *others, mine = case.edits
        assert (mine.path, mine.before, mine.after) == (case.path, case.project.read(case.path), case.text)
        assert all(edit.path != case.path and edit.after in (SALE, SALE_PAGE) for edit in others)


def test_other_changes_were_made_or_not(git: Git) -> None:
    """With many seeds, each of the other changes is sometimes there and sometimes not; nothing else ever is."""
    git.commit(shop__py=SALE, page__py=SALE_PAGE)
    documents, others = set(), set()
    for seed in range(40):
        for case in drawn(git, seed=seed):
            if case.path == "shop.py" and case.kind is Kind.LINE_START and "sum(map" in restored(case):
                documents.add(restored(case))
                others.add(tuple(edit.path for edit in case.edits[:-1]))
    assert documents == {SALE, SALE.replace(" * item.discount", "")}
    assert others == {(), ("page.py",)}


def test_what_stands_below_the_line_in_its_hunk_is_not_there_yet(git: Git) -> None:
    git.commit(shop__py=SALE, page__py=SALE_PAGE)
    seen = {
        restored(case)
        for seed in range(20)
        for case in drawn(git, seed=seed)
        if case.path == "page.py" and "discounted_total" in case.hidden
    }
    assert seen == {"def show(items):\n    print(discounted_total(items))\n"}


def test_a_new_file_comes_line_by_line(git: Git) -> None:
    git.commit(new__py="first = price_of(1)\nsecond = price_of(2)\n", page__py=SALE_PAGE)
    cases = [case for seed in range(20) for case in drawn(git, seed=seed) if case.path == "new.py"]
    assert {restored(case).rstrip("\n") for case in cases} == {
        "first = price_of(1)",
        "first = price_of(1)\nsecond = price_of(2)",
    }
    assert {case.edits[-1].before for case in cases} == {""}


def test_commits_with_one_change_too_many_files_or_no_new_line_say_nothing(git: Git) -> None:
    git.commit(shop__py=SALE.replace("sum(map(discounted, items))", "sum(items)"))
    git.commit(**{f"file{number}__py": f"value = {number}00\nother = {number}01\n" for number in range(MOST_FILES + 1)})
    git.commit(moved__py="value = 100\nother = 101\n", again__py="value = 100\nother = 101\n")
    assert drawn(git) == []


def test_the_same_seed_draws_the_same_cases(git: Git) -> None:
    for number in range(3):
        sale, page = SALE.replace("discount", f"discount{number}"), SALE_PAGE.replace("d_", f"{number}_")
        git.commit(shop__py=sale, page__py=page)
    first = drawn(git, cases=2)
    assert len(first) == 4
    random.seed(1)
    assert first == drawn(git, cases=2)
    assert len({case.id for case in first}) == 4
