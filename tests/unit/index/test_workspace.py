"""Newer versions of files over the segment, as readers see them."""

import threading
from pathlib import Path

import numpy as np

from codecompose_ls.index.lexemes import Vocabulary
from codecompose_ls.index.segment import Files, Segment
from codecompose_ls.index.workspace import View, Workspace


def built(**texts: str) -> Workspace:
    """A workspace whose segment holds these files; two underscores are a slash."""
    vocabulary = Vocabulary()
    paths = {name.replace("__", "/") + ".py": text for name, text in texts.items()}
    files = Files.of((path, vocabulary.encode(text)) for path, text in paths.items())
    return Workspace(vocabulary, Segment.build(files))


def visible(workspace: Workspace, *, without: str = "") -> dict[str, str]:
    """The text of every file that a reader finds matches in."""
    found: dict[str, str] = {}
    for files, hidden in workspace.view().without(without):
        for (path, ids), is_hidden in zip(files.pieces(), hidden, strict=True):
            if not is_hidden:
                assert path not in found
                found[path] = workspace.vocabulary.decode(ids.tolist()).lstrip("\n")
    return found


def test_an_empty_workspace_has_nothing_to_look_in() -> None:
    assert visible(Workspace()) == {}


def test_a_newer_version_stands_for_the_older_one() -> None:
    workspace = built(a="old", b="other")
    workspace.update("a.py", "new")
    workspace.update("c.py", "third")
    assert visible(workspace) == {"a.py": "new", "b.py": "other", "c.py": "third"}
    assert workspace.paths() == ["a.py", "b.py", "c.py"]
    assert workspace.changed == {"a.py", "c.py"}


def test_the_text_of_a_file_is_the_newest_there_is(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("on disk")
    workspace = Workspace(root=tmp_path)
    assert (workspace.text("a.py"), workspace.text("b.py")) == ("on disk", None)
    workspace.update("a.py", "in the editor")
    assert workspace.text("a.py") == "in the editor"
    workspace.remove("a.py")
    assert workspace.text("a.py") == "on disk"
    assert Workspace().text("a.py") is None


def test_a_newer_version_can_be_taken_back() -> None:
    workspace = built(a="old")
    workspace.update("a.py", "new")
    workspace.revert("a.py")
    assert visible(workspace) == {"a.py": "old"}
    assert workspace.overlay == 0


def test_a_removed_file_vanishes_and_may_come_back() -> None:
    workspace = built(a="old", b="other")
    workspace.remove("a.py")
    assert visible(workspace) == {"b.py": "other"}
    assert workspace.paths() == ["b.py"]
    workspace.update("a.py", "again")
    assert visible(workspace) == {"a.py": "again", "b.py": "other"}


def test_a_removed_folder_takes_its_files_with_it() -> None:
    workspace = built(pkg__a="a", pkg__sub__b="b", pkgs="c")
    workspace.update("pkg/new.py", "n")
    workspace.remove("pkg")
    assert visible(workspace) == {"pkgs.py": "c"}


def test_a_file_nobody_knows_can_be_removed() -> None:
    workspace = built(a="a")
    before = workspace.view()
    workspace.remove("z.py")
    assert workspace.view() is before


def test_the_document_at_hand_is_left_out() -> None:
    workspace = built(a="a", b="b")
    workspace.update("b.py", "newer")
    assert visible(workspace, without="b.py") == {"a.py": "a"}
    assert visible(workspace, without="a.py") == {"b.py": "newer"}


def test_a_view_stays_what_it_was() -> None:
    workspace = built(a="a")
    view = workspace.view()
    workspace.update("a.py", "b")
    ((files, hidden),) = view.sources
    assert files.paths == ("a.py",)
    assert not hidden.any()


def test_what_is_rare_counts_more() -> None:
    workspace = built(a="x x x x y", b="x x")
    rarity = workspace.view().rarity
    (x, y) = workspace.vocabulary.lookup("x"), workspace.vocabulary.lookup("y")
    assert rarity[y[0]] > rarity[x[0]] > 0


def test_every_word_read_has_a_place_in_the_view() -> None:
    workspace = built(a="a")
    workspace.view()
    for number in range(3_000):
        (ids,) = workspace.lexemes(f"word{number}")
        view = workspace.view()
        assert max(ids) < min(len(view.words), len(view.rarity))


def test_a_view_is_made_anew_for_a_few_words_only() -> None:
    workspace = built(a="a")
    views: dict[int, View] = {}
    for number in range(1_000):
        workspace.lexemes(f"word{number}")
        view = workspace.view()
        views[id(view)] = view
    assert len(views) <= 3


def test_texts_after_the_first_go_on_where_the_one_before_ended() -> None:
    workspace = Workspace()
    before, line, after = workspace.lexemes("a\n", "b", "  c")
    decoded = workspace.vocabulary.decode
    assert (decoded(before), decoded(line), decoded(after)) == ("\na\n", "b", "  c")


def test_readers_and_writers_do_not_disturb_each_other() -> None:
    workspace = built(**{f"f{number}": f"value{number}" for number in range(20)})
    faults: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                view = workspace.view()
                for files, hidden in view.sources:
                    assert len(hidden) == len(files.paths)
                    assert int(files.tokens.max()) < len(view.words)
        except BaseException as error:
            faults.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(300):
        path = f"f{number % 25}.py"
        workspace.update(path, f"new{number} = {number}")
        if number % 3 == 0:
            workspace.remove(path)
        elif number % 3 == 1:
            workspace.revert(path)
    done.set()
    thread.join()
    assert faults == []
    assert np.all(workspace.view().rarity >= 0)
