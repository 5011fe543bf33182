"""Folders become filtered documents, and a packed corpus gives the same documents back."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

pytest.importorskip("tqdm")

from codecompose_ls.errors import InputError
from codecompose_ls.tuning.corpus import Corpus, Document, FilterReport, read_corpus, read_pack, write_pack

CODE = "def area_{n}(width_{n}, height_{n}):\n    return width_{n} * height_{n} + offset_{n}\n" * 3


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "shapes"
    write(folder / "shapes/area.py", CODE.format(n=1))
    write(folder / "shapes/windows.py", CODE.format(n=2).replace("\n", "\r\n"))
    write(folder / "web/index.ts", CODE.format(n=3))
    write(folder / "shapes/copy.py", CODE.format(n=1))
    write(folder / "shapes/latin.py", "# caf\xe9\n".encode("latin-1") + CODE.format(n=4).encode())
    write(folder / "shapes/leak.py", CODE.format(n=5) + "KEY = '" + "AKIA" + "ABCDEFGHIJKLMNOP'\n")
    write(folder / "node_modules/x/index.js", CODE.format(n=6))
    write(folder / ".venv/x.py", CODE.format(n=7))
    write(folder / "README.md", "# Shapes\n")
    return folder


def test_documents_have_paths_relative_to_their_package(package: Path) -> None:
    corpus = read_corpus([package], progress=False)
    assert [(document.package, document.path, document.language) for document in corpus.documents] == [
        ("shapes", "shapes/area.py", "python"),
        ("shapes", "shapes/windows.py", "python"),
        ("shapes", "web/index.ts", "typescript"),
    ]


def test_line_ends_are_unified(package: Path) -> None:
    assert all("\r" not in document.text for document in read_corpus([package], progress=False).documents)


def test_what_was_dropped_is_counted_and_printed(package: Path) -> None:
    report = read_corpus([package], progress=False).report
    assert report.dropped == {"exact duplicate": 1, "not UTF-8": 1, "secret": 1}
    assert report.files == {"python": 2, "typescript": 1}
    assert "not UTF-8" in report.table()


def test_files_near_to_held_out_ones_are_dropped(package: Path) -> None:
    held_out = [Document("other", "a.py", "python", CODE.format(n=2))]
    corpus = read_corpus([package], exclude=held_out, progress=False)
    assert "shapes/windows.py" not in [document.path for document in corpus.documents]
    assert corpus.report.dropped["near-duplicate"] == 1


def test_a_packed_corpus_gives_the_same_documents(package: Path, tmp_path: Path) -> None:
    corpus = read_corpus([package], progress=False)
    pack = tmp_path / "out/corpus.jsonl.xz"
    write_pack(corpus, pack)
    assert read_pack(pack) == corpus
    again = read_corpus([pack], progress=False)
    assert again.documents == corpus.documents
    assert again.report == corpus.report


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such folder or packed corpus: .*absent"):
        read_corpus([tmp_path / "absent"], progress=False)


def test_a_folder_without_code_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no source code left"):
        read_corpus([tmp_path], progress=False)


@pytest.mark.parametrize("content", [b"not xz at all", lzma.compress(b"{}\n"), lzma.compress(b"x" * 999)[:-20]])
def test_a_damaged_pack_is_named(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / "c.jsonl.xz", content)
    with pytest.raises(InputError, match="not a packed corpus"):
        read_corpus([tmp_path / "c.jsonl.xz"], progress=False)


def test_a_pack_is_known_by_its_ending(package: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ends in"):
        write_pack(read_corpus([package], progress=False), tmp_path / "corpus.zip")
    with pytest.raises(InputError, match="neither a folder nor a packed corpus"):
        read_corpus([package / "README.md"], progress=False)


def test_a_path_that_is_no_text_is_packed_all_the_same(tmp_path: Path) -> None:
    document = Document("shop", "caf\udce9.py", "python", "total = 1\n")
    write_pack(Corpus((document,), FilterReport()), tmp_path / "a.jsonl.xz")
    assert read_pack(tmp_path / "a.jsonl.xz").documents == (document,)
