"""A folder's workspace follows the stored index, the disk and the editor."""

from pathlib import Path

import pytest

from codecompose_ls.index import upkeep as module
from codecompose_ls.index.builder import build
from codecompose_ls.index.upkeep import Upkeep

KEY = "AKIA" + "Q3EGRZ7XKJLW5TPN"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODECOMPOSE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    write(root, "a.py", "alpha = 1\n")
    write(root, "pkg/b.py", "beta = 2\n")
    build(root)
    return root


@pytest.fixture
def upkeep(root: Path) -> Upkeep:
    upkeep = Upkeep(root)
    upkeep.load()
    return upkeep


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(text.encode())


def visible(upkeep: Upkeep) -> dict[str, str]:
    workspace = upkeep.workspace
    return {
        path: workspace.vocabulary.decode(ids.tolist()).strip("\n")
        for files, hidden in workspace.view().sources
        for (path, ids), is_hidden in zip(files.pieces(), hidden, strict=True)
        if not is_hidden
    }


STORED = {"a.py": "alpha = 1", "pkg/b.py": "beta = 2"}


def test_the_stored_index_is_there_at_once(upkeep: Upkeep) -> None:
    assert visible(upkeep) == STORED


def typed_lately(upkeep: Upkeep) -> str:
    workspace = upkeep.workspace
    marked = [files.tokens[files.fresh] for files, _ in workspace.view().sources if files.fresh is not None]
    return "".join(workspace.vocabulary.decode(ids.tolist()) for ids in marked)


def test_what_was_typed_since_a_file_was_opened_is_known_whatever_becomes_of_it(upkeep: Upkeep, root: Path) -> None:
    upkeep.take("a.py", "alpha = 1\n")
    assert typed_lately(upkeep) == ""
    upkeep.take("a.py", "alpha = 1\ngamma = 3\n")
    assert typed_lately(upkeep) == "gamma = 3\n"
    write(root, "a.py", "alpha = 1\ngamma = 3\n")
    upkeep.release("a.py")
    assert typed_lately(upkeep) == "gamma = 3\n"
    # The index is the same, but the workspace is another one.
    build(root, report=lambda _: None)
    upkeep.load()
    upkeep.take("a.py", "alpha = 1\ngamma = 3\ndelta = 4\n")
    assert typed_lately(upkeep) == "gamma = 3\ndelta = 4\n"


def test_what_was_typed_before_the_index_hears_of_a_file_counts(upkeep: Upkeep) -> None:
    upkeep.take("a.py", "alpha = 1\ngamma = 3\n", first="alpha = 1\n")
    assert typed_lately(upkeep) == "gamma = 3\n"


def test_what_other_programs_write_was_not_typed(upkeep: Upkeep, root: Path) -> None:
    write(root, "a.py", "alpha = 1\ngamma = 3\n")
    upkeep.refresh(["a.py"])
    assert visible(upkeep)["a.py"] == "alpha = 1\ngamma = 3"
    assert typed_lately(upkeep) == ""


def test_what_must_not_be_read_is_not_remembered(upkeep: Upkeep) -> None:
    upkeep.take("a.py", f"key = '{KEY}'\n")
    upkeep.take("a.py", "alpha = 1\ngamma = 3\n")
    assert typed_lately(upkeep) == ""


def test_what_the_editor_has_goes_before_the_disk_until_it_lets_go(upkeep: Upkeep, root: Path) -> None:
    upkeep.take("a.py", "edited = 1\n")
    write(root, "a.py", "written by another program\n")
    upkeep.refresh(["a.py"])
    assert visible(upkeep)["a.py"] == "edited = 1"
    upkeep.release("a.py")
    assert visible(upkeep)["a.py"] == "written by another program"


def test_closing_without_saving_returns_to_the_disk(upkeep: Upkeep) -> None:
    upkeep.take("a.py", "edited = 1\n")
    upkeep.release("a.py")
    assert visible(upkeep) == STORED
    assert upkeep.workspace.overlay == 0


def test_an_open_document_that_says_what_the_disk_says_is_no_newer_version(upkeep: Upkeep) -> None:
    upkeep.take("a.py", "alpha = 1\n")
    assert upkeep.workspace.changed == set()
    upkeep.take("a.py", "alpha = 2\n")
    assert upkeep.workspace.changed == {"a.py"}
    upkeep.take("a.py", "alpha = 1\n")
    assert upkeep.workspace.changed == set()


def test_new_changed_and_deleted_files(upkeep: Upkeep, root: Path) -> None:
    write(root, "new.py", "gamma = 3\n")
    write(root, "a.py", "alpha = 100\n")
    (root / "pkg" / "b.py").unlink()
    upkeep.refresh(["new.py", "a.py", "pkg/b.py"])
    assert visible(upkeep) == {"new.py": "gamma = 3", "a.py": "alpha = 100"}


def test_a_deleted_folder_takes_its_files_with_it_and_one_that_is_there_does_not(upkeep: Upkeep, root: Path) -> None:
    upkeep.refresh(["pkg"])
    assert visible(upkeep) == STORED
    (root / "pkg" / "b.py").unlink()
    (root / "pkg").rmdir()
    upkeep.refresh(["pkg"])
    assert visible(upkeep) == {"a.py": "alpha = 1"}


@pytest.mark.parametrize(
    ("path", "text"),
    [("a.py", f"k = '{KEY}'\n"), ("a.py", "a\0"), ("a.py", "x = 1\n" * 200_000), ("ignored.py", "x\n"), (".env", "x")],
)
def test_what_must_be_left_alone_does_not_come_in_by_the_editor(
    path: str, text: str, upkeep: Upkeep, root: Path
) -> None:
    write(root, ".gitignore", "ignored.py\n")
    upkeep.take("a.py", "edited = 1\n")
    upkeep.take(path, text)
    assert path not in visible(upkeep)


@pytest.mark.parametrize("path", ["node_modules/x.py", ".venv/x.py", "ignored.py", "notes.md", ".env", "link.py"])
def test_what_a_build_would_not_take_does_not_come_in_from_the_disk(path: str, upkeep: Upkeep, root: Path) -> None:
    write(root, ".gitignore", "ignored.py\n")
    if path == "link.py":
        (root / path).symlink_to(root / "a.py")
    else:
        write(root, path, "x = 1\n")
    upkeep.refresh([path])
    assert visible(upkeep) == STORED


def test_a_new_build_comes_in_below_what_has_changed_since(upkeep: Upkeep, root: Path) -> None:
    upkeep.take("a.py", "edited = 1\n")
    write(root, "pkg/b.py", "beta = 200\n")
    write(root, "c.py", "gamma = 3\n")
    upkeep.refresh(["pkg/b.py"])
    build(root)
    write(root, "late.py", "delta = 4\n")
    upkeep.refresh(["late.py"])
    upkeep.load()
    expected = {"a.py": "edited = 1", "pkg/b.py": "beta = 200", "c.py": "gamma = 3", "late.py": "delta = 4"}
    assert visible(upkeep) == expected
    assert upkeep.workspace.changed == {"a.py", "late.py"}


def test_an_index_by_other_rules_is_not_taken(root: Path) -> None:
    write(root, ".gitignore", "a.py\n")
    upkeep = Upkeep(root)
    upkeep.load()
    assert visible(upkeep) == {}
    build(root)
    upkeep.load()
    assert visible(upkeep) == {"pkg/b.py": "beta = 2"}


def test_when_the_rules_change_only_what_is_open_stays(upkeep: Upkeep, root: Path) -> None:
    upkeep.take("a.py", "edited = 1\n")
    upkeep.take("pkg/b.py", "edited = 2\n")
    write(root, ".gitignore", "pkg/\n")
    upkeep.start_over()
    assert visible(upkeep) == {"a.py": "edited = 1"}
    build(root)
    upkeep.load()
    assert visible(upkeep) == {"a.py": "edited = 1"}


def test_a_folder_that_is_not_stored_is_what_is_open_in_it(root: Path) -> None:
    upkeep = Upkeep(root, stored=False)
    upkeep.load()
    upkeep.take("a.py", "alpha = 1\n")
    upkeep.refresh(["pkg/b.py"])
    assert visible(upkeep) == {"a.py": "alpha = 1"}
    upkeep.release("a.py")
    assert visible(upkeep) == {}


def test_many_changes_are_due_for_a_build(upkeep: Upkeep, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_OVERLAY", 50)
    assert not upkeep.is_due
    write(root, "large.py", "x = 1\n" * 20)
    upkeep.refresh(["large.py"])
    assert upkeep.is_due
    build(root)
    upkeep.load()
    assert not upkeep.is_due
