"""What was typed lately: lines that a file did not have when the editor showed it first."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.index import recent
from codecompose_ls.index.lexemes import BREAK, Vocabulary
from codecompose_ls.index.recent import Recent
from codecompose_ls.index.segment import Files

OLD = "import os\n\n\ndef run(path):\n    return os.listdir(path)\n"


def fresh_text(followed: Recent, text: str, *, path: str = "a.py", opened: bool = True) -> list[str] | None:
    """Return the runs of lexemes that were typed lately, as text."""
    vocabulary = Vocabulary()
    ids = vocabulary.encode(text, opened=opened)
    flags = followed.fresh(path, text, ids, opened=opened)
    if flags is None:
        return None
    assert len(flags) == len(ids)
    words = "".join(vocabulary.decode([number]) if flag else "\0" for number, flag in zip(ids, flags, strict=True))
    return [run.strip("\n") for run in words.split("\0") if run.strip("\n")]


def followed(text: str = OLD) -> Recent:
    found = Recent()
    found.saw("a.py", text)
    return found


def test_a_file_as_it_was_has_nothing_typed_lately() -> None:
    assert fresh_text(followed(), OLD) is None


def test_a_file_that_was_never_shown_has_nothing_typed_lately() -> None:
    assert fresh_text(followed(), OLD + "new = 1\n", path="b.py") is None


def test_new_and_changed_lines_were_typed_lately() -> None:
    text = OLD.replace("os.listdir(path)", "sorted(os.listdir(path))") + "\nrun('.')\n"
    assert fresh_text(followed(), text) == ["return sorted(os.listdir(path))\nrun('.')"]


def test_lines_that_moved_or_were_indented_anew_are_old() -> None:
    lines = OLD.split("\n")
    assert fresh_text(followed(), "\n".join(["if True:", *(f"    {line}" for line in reversed(lines))])) == ["if True:"]


def test_the_rest_of_the_cursors_line_is_not_typed_lately_and_what_follows_may_be() -> None:
    assert fresh_text(followed(), " + 1)\nnew = 2\nimport os\n", opened=False) == ["new = 2"]


def test_line_ends_of_windows_make_nothing_new() -> None:
    assert fresh_text(followed(), OLD.replace("\n", "\r\n")) is None


def test_only_the_first_text_counts() -> None:
    found = followed()
    found.saw("a.py", OLD + "new = 1\n")
    assert fresh_text(found, OLD + "new = 1\n") == ["new = 1"]


def test_so_many_files_are_followed_and_no_more() -> None:
    found = followed()
    for number in range(recent.FILES):
        found.saw(f"{number}.py", "")
    assert fresh_text(found, OLD + "new = 1\n") is None
    assert fresh_text(found, "new = 1\n", path="0.py") == ["new = 1"]


def test_what_is_forgotten_is_not_followed_any_more() -> None:
    found = followed()
    version = found.version
    found.forget()
    assert found.version != version
    assert fresh_text(found, OLD + "new = 1\n") is None


LINES = st.lists(st.sampled_from(["", "   ", "a = 1", "\tb(2)", "  c", "\r", "new = 3", "other()  "]), max_size=12)


@given(lines=LINES, opened=st.booleans())
def test_every_lexeme_of_a_new_line_and_no_other_is_marked(lines: list[str], opened: bool) -> None:
    text = "\n".join(lines)
    known = {"a = 1", "b(2)", "c"}
    vocabulary = Vocabulary()
    ids = vocabulary.encode(text, opened=opened)
    flags = followed("\n".join(known)).fresh("a.py", text, ids, opened=opened)
    marked = [] if flags is None else [vocabulary.texts[number] for number in np.array(ids)[flags]]
    new = [line.strip("\r") for line in lines[0 if opened else 1 :] if line.strip() and line.strip() not in known]
    expected = [vocabulary.texts[number] for line in new for number in vocabulary.lookup(line.lstrip())]
    assert [text for text in marked if text != vocabulary.texts[BREAK]] == expected


def test_joined_files_keep_what_was_typed_lately() -> None:
    vocabulary = Vocabulary()
    texts = {"a.py": OLD, "b.py": OLD + "new = 1\n", "c.py": OLD}
    found = Recent()
    pieces, fresh = [], []
    for path, text in texts.items():
        found.saw(path, OLD)
        pieces.append((path, vocabulary.encode(text)))
        fresh.append(found.fresh(path, text, pieces[-1][1]))
    files = Files.of(pieces, fresh=fresh)
    assert files.fresh is not None
    assert vocabulary.decode(files.tokens[files.fresh].tolist()).strip() == "new = 1"
    places = np.flatnonzero(files.tokens == vocabulary.lookup("new")[0])
    assert files.are_fresh(places).tolist() == [True]
    assert Files.of(pieces).fresh is None
    assert Files.of(pieces).are_fresh(places).tolist() == [False]
