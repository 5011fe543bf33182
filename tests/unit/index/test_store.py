"""An index on disk: whole or not there, and never in anybody's way."""

import json
import logging
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls import folders
from codecompose_ls.index.lexemes import Vocabulary
from codecompose_ls.index.segment import Files, Segment
from codecompose_ls.index.store import Index, Store


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODECOMPOSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def index(texts: dict[str, str], **more: int) -> Index:
    vocabulary = Vocabulary()
    files = Files.of((path, vocabulary.encode(text)) for path, text in texts.items())
    stamps = {path: (number, len(text)) for number, (path, text) in enumerate(texts.items())}
    rules = {"/p/.gitignore": (1, 2, 3), "/p/.ignore": None}
    return Index(vocabulary, Segment.build(files), stamps, rules=rules, **more)


def same(one: Index, other: Index) -> bool:
    arrays = ("tokens", "starts", "order", "heads")
    equal = all(np.array_equal(getattr(one.segment, name), getattr(other.segment, name)) for name in arrays)
    plain = [
        (each.vocabulary.texts, each.segment.paths, each.stamps, each.left_out, each.rules) for each in (one, other)
    ]
    return equal and plain[0] == plain[1]


texts = st.dictionaries(
    st.text(st.sampled_from("abé/. \udc80"), min_size=1, max_size=6), st.text(max_size=30), max_size=4
)


@given(texts, st.integers(0, 3))
def test_what_is_saved_is_loaded(texts: dict[str, str], left_out: int) -> None:
    kept, store = index(texts, left_out=left_out), Store(Path("/project"))
    store.save(kept)
    found = store.load()
    assert found is not None
    assert same(found, kept)


def test_nothing_is_loaded_where_nothing_was_saved(tmp_path: Path) -> None:
    assert Store(tmp_path).load() is None


def test_an_index_is_for_one_root_and_one_set_of_patterns(tmp_path: Path) -> None:
    Store(tmp_path / "a", ("x",)).save(index({"a.py": "a"}))
    assert Store(tmp_path / "b", ("x",)).load() is None
    assert Store(tmp_path / "a", ("y",)).load() is None
    assert Store(tmp_path / "a", ("x",)).load() is not None


def test_a_root_is_the_same_by_any_name(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    Store(tmp_path / "link").save(index({"a.py": "a"}))
    assert Store(tmp_path / "real").load() is not None


def test_a_newer_index_takes_the_place_of_all_older_ones_of_its_root(tmp_path: Path, cache: Path) -> None:
    Store(tmp_path, ("old pattern",)).save(index({"a.py": "a"}))
    Store(tmp_path).save(index({"a.py": "b"}))
    newest = Store(tmp_path).save(index({"a.py": "c"}))
    assert [*(cache / "index").glob("*/*")] == [newest]


def test_a_mapped_index_can_still_be_read_when_a_newer_one_has_replaced_it(tmp_path: Path) -> None:
    store, kept = Store(tmp_path), index({"a.py": "a = 1"})
    store.save(kept)
    found = store.load()
    store.save(index({"b.py": "b = 2"}))
    assert found is not None
    assert same(found, kept)


@pytest.mark.parametrize("harm", ["truncated", "emptied", "flipped", "missing", "foreign"])
@pytest.mark.parametrize("name", ["tokens.npy", "order.npy", "vocabulary.txt", "files.json", "index.json"])
def test_a_damaged_index_is_discarded_with_one_line(
    harm: str, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path)
    file = store.save(index({"a.py": "a = 1", "b.py": "b"})) / name
    content = file.read_bytes()
    if harm == "missing":
        file.unlink()
    elif harm == "flipped":
        file.write_bytes(
            content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1]) + content[len(content) // 2 + 1 :]
        )
    else:
        file.write_bytes({"truncated": content[:-1], "emptied": b"", "foreign": b'{"checksums": []}'}[harm])
    with caplog.at_level(logging.WARNING):
        assert store.load() is None
    assert len(caplog.records) == 1
    assert "damaged" in caplog.text
    assert not file.parent.exists()
    assert store.load() is None
    assert len(caplog.records) == 1


def test_an_older_whole_index_serves_when_the_newest_is_damaged(tmp_path: Path) -> None:
    store, kept = Store(tmp_path), index({"a.py": "a = 1"})
    folder = store.save(kept)
    newer = folder.with_name(f"{folder.name}9")
    shutil.copytree(folder, newer)
    (newer / "tokens.npy").write_bytes(b"")
    found = store.load()
    assert found is not None
    assert found.folder == folder


def test_unfinished_folders_are_never_loaded_and_swept_when_they_are_old(tmp_path: Path, cache: Path) -> None:
    store = Store(tmp_path)
    root = store.save(index({"a.py": "a"})).parent
    old, young = root / ".old", root / ".young"
    for folder in (old, young):
        folder.mkdir()
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    store.save(index({"a.py": "b"}))
    assert not old.exists()
    assert young.exists()
    assert store.load() is not None


def test_indexes_of_folders_that_are_no_more_are_swept(tmp_path: Path, cache: Path) -> None:
    roots = [tmp_path / name for name in ("gone", "there", "mine")]
    stores = [Store(root) for root in roots]
    for root, store in zip(roots, stores, strict=True):
        root.mkdir()
        store.save(index({"a.py": "a"}))
    unfinished, forgotten = cache / "index" / "unfinished", cache / "index" / "forgotten"
    for folder in (unfinished, forgotten):
        folder.mkdir()
    os.utime(forgotten, (0, 0))
    for root in (roots[0], roots[2]):
        root.rmdir()
    stores[2].sweep()
    assert [store.load() is not None for store in stores] == [False, True, True]
    assert (unfinished.exists(), forgotten.exists()) == (True, False)


def test_only_a_few_are_looked_at_at_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codecompose_ls.index.store._SWEPT", 2)
    for number in range(5):
        Store(tmp_path / f"gone{number}").save(index({"a.py": "a"}))
    for left in (3, 1, 0, 0):
        Store(tmp_path).sweep()
        assert len([*(cache / "index").iterdir()]) == left


def test_a_full_disk_leaves_the_index_before_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, kept = Store(tmp_path), index({"a.py": "a"})
    folder = store.save(kept)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space"):
        store.save(index({"a.py": "b"}))
    assert [*folder.parent.iterdir()] == [folder]
    found = store.load()
    assert found is not None
    assert same(found, kept)


def test_many_writers_and_readers_at_once_see_whole_indexes_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = [index({"a.py": f"value{number} = {number}"}) for number in range(4)]
    Store(tmp_path).save(kept[0])
    found: list[Index | None] = []

    def write(one: Index) -> None:
        for _ in range(5):
            Store(tmp_path).save(one)

    def read() -> None:
        for _ in range(40):
            found.append(Store(tmp_path).load())

    threads = [threading.Thread(target=write, args=(one,)) for one in kept] + [threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(one is None or any(same(one, other) for other in kept) for one in found)
    assert Store(tmp_path).load() is not None
    assert caplog.records == []


def test_no_code_is_kept_but_words(tmp_path: Path, cache: Path) -> None:
    folder = Store(tmp_path).save(index({"a.py": "first second first"}))
    assert (folder / "vocabulary.txt").read_text().split("\n") == ["first", " ", "second", ""]
    assert json.loads((folder / "index.json").read_text())["root"] == str(tmp_path)
    assert folders.cache() == cache
