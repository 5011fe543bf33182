"""What the gate stands on: T is as new as it can be, and there is a way without a history; real git repositories."""

from __future__ import annotations

from pathlib import Path

import pytest

from codecompose_ls.errors import InputError
from codecompose_ls.evaluation import evidence
from codecompose_ls.evaluation.evidence import HELD_OUT, find_evidence
from tests.repositories import Git, module

NOUNS = ("basket", "customer", "delivery", "engine", "folder", "graph", "header", "journal", "kernel", "layer")


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(tmp_path / "shop")


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 30 cases of 2 files be enough."""
    monkeypatch.setattr(evidence, "CASES", 30)
    monkeypatch.setattr(evidence, "_FILES", 2)


def test_t_is_the_newest_commit_with_enough_after_it(git: Git) -> None:
    commits = [git.commit({f"{noun}.py": module(noun, size=12)}) for noun in NOUNS]

    found = find_evidence(git.root)

    # Two modules of 12 methods give the 90 lines that 30 cases are looked for in.
    assert found.measured_at == commits[-3]
    assert (found.known.revision, found.whole.revision) == (commits[-3], commits[-1])
    assert {case.path for case in found.cases} == {"kernel.py", "layer.py"}
    assert not {one.path for one in found.known.documents} & {case.path for case in found.cases}


def test_a_commit_with_little_of_todays_code_was_another_project(git: Git) -> None:
    git.commit({f"{noun}.py": module(noun) for noun in NOUNS[:2]})
    big = git.commit({f"{noun}.py": module(noun, size=12) for noun in NOUNS[2:9]})
    git.commit({"layer.py": module("layer", size=8)})

    # There are not 30 cases after it, and yet it is the oldest that will do.
    assert find_evidence(git.root).measured_at == big


def test_since_says_where_to_begin(git: Git) -> None:
    first = git.commit({f"{noun}.py": module(noun) for noun in NOUNS[:5]})
    git.commit({f"{noun}.py": module(noun) for noun in NOUNS[5:]})
    git.commit({"layer.py": module("layer") + "\n# The end.\n"})

    assert find_evidence(git.root, since="HEAD~2").measured_at == first
    with pytest.raises(InputError, match=r"not enough history: 1 lines to ask for since HEAD~1, it takes 20"):
        find_evidence(git.root, since="HEAD~1")
    assert len(find_evidence(git.root, since="HEAD~1", force=True).cases) == 1


@pytest.mark.parametrize("has_history", [True, False])
def test_without_a_history_files_are_held_out(git: Git, tmp_path: Path, has_history: bool) -> None:
    git.commit({f"{noun}.py": module(noun, size=8) for noun in NOUNS})
    if not has_history:
        (git.root / ".git").rename(tmp_path / "elsewhere")

    found = find_evidence(git.root)

    asked, known = {case.path for case in found.cases}, {one.path for one in found.known.documents}
    assert found.measured_at == HELD_OUT
    assert len(asked) == 2 and known == {f"{noun}.py" for noun in NOUNS} - asked
    assert len(found.whole.documents) == len(NOUNS)
    assert {case.project.files for case in found.cases} == {tuple(sorted(known))}
    assert found == find_evidence(git.root)


def test_what_is_too_little_is_said_in_one_line(git: Git, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the repository is empty; commit something first"):
        find_evidence(git.root)
    git.commit({"README.md": "# Shop\n"})
    with pytest.raises(InputError, match="no source files, or all are ignored"):
        find_evidence(git.root)
    git.commit({"old.py": '"""Deprecated."""\n' + module("old"), "cart.py": module("cart")})
    with pytest.raises(InputError, match=r"one file is left to learn from, .* \(left out: 1 deprecated\)"):
        find_evidence(git.root)
    git.commit({"tax.py": module("tax")})
    with pytest.raises(InputError, match=r"not enough history, and too little code to do without: .* it takes 20"):
        find_evidence(git.root)
    (tmp_path / "plain").mkdir()
    with pytest.raises(InputError, match="is not the top of a git repository, so it has no history"):
        find_evidence(tmp_path / "plain", since="90d")
