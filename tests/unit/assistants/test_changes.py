"""The changes of a repository are a diff of what may be read, and the rest is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from codecompose_ls.assistants.changes import changes
from codecompose_ls.errors import InputError
from codecompose_ls.index.files import Admission
from tests.repositories import Git


@pytest.fixture
def git(tmp_path: Path) -> Git:
    git = Git(tmp_path / "project")
    git.commit({"a.py": "a = 1\n", "b.py": "b = 1\n"})
    return git


def found(git: Git, room: int = 10_000, ignore: tuple[str, ...] = ()):
    return changes(git.root, Admission(git.root, ignore), room=room)


def test_what_a_branch_adds_comes_first_uncommitted_work_included(git: Git) -> None:
    git("switch", "--quiet", "-c", "feature")
    git.commit({"a.py": "a = 2\n"})
    git.write({"b.py": "b = 2\n"})
    said = found(git)
    assert said.about == "since the branch left main" and said.files == 2
    assert "+a = 2" in said.diff and "+b = 2" in said.diff and str(said) == ""


def test_then_what_is_not_committed_and_then_the_last_commit(git: Git) -> None:
    git.commit({"a.py": "a = 2\n"})
    assert found(git).about == "of the last commit" and "+a = 2" in found(git).diff
    git.write({"b.py": "b = 3\n"})
    assert found(git).about == "not committed yet" and "+a = 2" not in found(git).diff


def test_ignored_secret_binary_and_huge_files_are_counted_and_not_shown(git: Git) -> None:
    git.commit(
        {
            "gen/a.py": "x = 1\n",
            ".env": "A=1\n",
            "blob.bin": b"\0" * 10,
            "key.py": "K = 'ghp_" + "a1B2" * 10 + "'\n",
            "big.py": "x = 1\n" * 200_000,
            "c.py": "c = 1\n",
        }
    )
    said = found(git, ignore=("gen/",))
    assert said.files == 1 and "+c = 1" in said.diff
    assert str(said) == "Left out: 5 files that may not be read."
    assert not any(word in said.diff for word in ("gen/", ".env", "ghp_", "big.py", "blob"))


def test_a_secret_that_was_taken_out_is_not_shown_either(git: Git) -> None:
    git.commit({"key.py": "K = 'ghp_" + "a1B2" * 10 + "'\n"})
    git.commit({"key.py": "K = environ['K']\n", "a.py": "a = 3\n"})
    assert "ghp_" not in found(git).diff and dict(found(git).left_out) == {"that may not be read": 1}


def test_deleted_and_moved_files(git: Git) -> None:
    git("mv", "a.py", "moved.py")
    (git.root / "b.py").unlink()
    said = found(git)
    assert said.files == 2 and "rename from a.py" in said.diff and "deleted file" in said.diff
    git("mv", "moved.py", ".env")
    assert "rename" not in found(git).diff


def test_a_file_without_room_is_cut_and_the_last_ones_are_counted(git: Git) -> None:
    git.write({name: "".join(f"line_{number} = 1\n" for number in range(400)) for name in ("a.py", "b.py")})
    git("add", "--all")
    for number in range(4):
        git.write({f"c{number}.py": "x = 1\n" * 100})
    git("add", "--all")
    said = found(git, room=2000)
    assert len(said.diff) < 2100 and "lines more" in said.diff
    assert sum(said.left_out.values()) + said.files == 6 and "for which there is no room" in str(said)


def test_external_programs_of_the_repository_are_not_run(git: Git, tmp_path: Path) -> None:
    git("config", "diff.external", f"touch {tmp_path / 'ran'}")
    git("config", "diff.py.textconv", f"touch {tmp_path / 'ran'}")
    git("config", "core.fsmonitor", f"touch {tmp_path / 'ran'}")
    git.write({".gitattributes": "*.py diff=py\n", "a.py": "a = 2\n"})
    assert "+a = 2" in found(git).diff and not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["none", "empty", "unchanged", "only secrets"])
def test_where_there_is_nothing_to_describe_it_says_so(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "folder"
    if kind == "none":
        folder.mkdir()
    else:
        git = Git(folder)
        if kind != "empty":
            git.commit({"a.py": "x"} if kind == "unchanged" else {})
        if kind == "only secrets":
            git.commit({".env": "A=1"})
    message = {
        "none": "no git repository",
        "empty": "with a commit",
        "unchanged": "nothing has",
        "only secrets": "no changes",
    }
    with pytest.raises(InputError, match=message[kind]):
        changes(folder, Admission(folder), room=1000)
