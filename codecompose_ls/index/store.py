"""Built indexes on disk, in the cache: one folder a build, whole or not there at all, mapped into memory when used.

    cache/index/<root>/<settings>-<time>/   vocabulary.txt  files.json  rules.json  tokens.npy  order.npy ... index.json

`index.json` is written last and holds checksums of the others: what bears them was written by us, to the end. Servers
and builders on one root do not wait for each other: the newest folder counts, and a mapped one stays readable when it
is removed (where the system does not allow that, the next build removes it).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from codecompose_ls import folders
from codecompose_ls.index.lexemes import Vocabulary
from codecompose_ls.index.reading import Rules, Stamp
from codecompose_ls.index.segment import Segment

logger = logging.getLogger(__name__)

#: Part of the folder's name: to be changed with the files, or with what a lexeme is.
FORMAT = 1
_ARRAYS = ("tokens", "starts", "order", "heads")
_HEAD = "index.json"
#: A builder that was killed leaves its unfinished folder behind; an older one than this is swept.
_STALE_S = 3600
#: Indexes of other roots that are looked at after a build.
_SWEPT = 50
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Index:
    """A built index: `stamps` are the states of the files in it, `left_out` how many had no room in it.

    `rules` are the ignore files that it goes by.
    """

    vocabulary: Vocabulary
    segment: Segment
    stamps: dict[str, Stamp]
    left_out: int = 0
    rules: Rules = field(default_factory=dict)
    #: Where it is kept.
    folder: Path | None = field(default=None, compare=False)

    @property
    def size_bytes(self) -> int:
        """What it takes on disk."""
        return sum(file.stat().st_size for file in self.folder.iterdir()) if self.folder else 0


class Store:
    """The indexes of one root under one set of ignore patterns."""

    def __init__(self, root: Path, ignore: tuple[str, ...] = ()) -> None:
        real = os.path.realpath(root)
        self._folder = folders.cache() / "index" / _hash(real)
        self._kind = _hash(json.dumps([FORMAT, *ignore]))[:8]
        self._root = real

    def load(self) -> Index | None:
        """Map the newest index; None when there is none that is whole, in which case what is there is discarded."""
        for folder in self._mine():
            try:
                return _load(folder)
            except Exception as error:
                # Where there is a newer one by now, another server has just removed this one: nothing to be said.
                if self.newest() == folder:
                    logger.warning("the index at %s is damaged (%s) and is discarded", folder, type(error).__name__)
                shutil.rmtree(folder, ignore_errors=True)
        return None

    def newest(self) -> Path | None:
        """Return where the newest index is."""
        return next(self._mine(), None)

    def save(self, index: Index) -> Path:
        """Write an index, and remove all that were written for this root before. Raises `OSError`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        before = [*self._folder.iterdir()]
        hidden = Path(tempfile.mkdtemp(prefix=".", dir=self._folder))
        try:
            _write(hidden, index, root=self._root)
            folder = self._folder / f"{self._kind}-{time.time_ns()}"
            hidden.rename(folder)
        except BaseException:
            shutil.rmtree(hidden, ignore_errors=True)
            raise
        for old in before:
            if not old.name.startswith(".") or _is_stale(old):
                shutil.rmtree(old, ignore_errors=True)
        return folder

    def sweep(self) -> None:
        """Remove indexes of folders that are no more: of some that chance picks, so that it never takes long."""
        others = [folder for folder in self._folder.parent.glob("*") if folder != self._folder]
        for folder in random.sample(others, min(len(others), _SWEPT)):
            root = _root_of(folder)
            if _is_stale(folder) if root is None else not os.path.isdir(root):
                shutil.rmtree(folder, ignore_errors=True)

    def _mine(self) -> Iterator[Path]:
        """Yield the folders of this kind, the newest first; one that appears meanwhile is seen, too."""
        tried: set[Path] = set()
        while new := sorted({*self._folder.glob(f"{self._kind}-*")} - tried, reverse=True):
            tried.add(new[0])
            yield new[0]


def _load(folder: Path) -> Index:
    head = json.loads((folder / _HEAD).read_text())
    for name, checksum in head["checksums"].items():
        if _checksum(folder / name) != checksum:
            raise ValueError(name)
    files = json.loads((folder / "files.json").read_text())
    rules = {source: stamp and tuple(stamp) for source, stamp in json.loads((folder / "rules.json").read_text())}
    # Plain arrays over the maps: numpy's own class for them is slow to index.
    arrays = {name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in _ARRAYS}
    texts = (folder / "vocabulary.txt").read_bytes().decode("utf-8", "surrogatepass").split("\n")
    # The first three are not texts: see `lexemes`.
    vocabulary = Vocabulary(["", "\n", "", *texts[:-1]])
    stamps = {path: (changed, size) for path, changed, size in files}
    return Index(vocabulary, Segment(paths=tuple(stamps), **arrays), stamps, head["left_out"], rules, folder)


def _write(folder: Path, index: Index, *, root: str) -> None:
    for name in _ARRAYS:
        np.save(folder / f"{name}.npy", getattr(index.segment, name))
    files = [(path, *index.stamps[path]) for path in index.segment.paths]
    (folder / "files.json").write_text(json.dumps(files))
    (folder / "rules.json").write_text(json.dumps([*index.rules.items()]))
    texts = "".join([f"{text}\n" for text in index.vocabulary.texts[3:]])
    (folder / "vocabulary.txt").write_bytes(texts.encode("utf-8", "surrogatepass"))
    checksums = {file.name: _checksum(file) for file in folder.iterdir()}
    (folder / _HEAD).write_text(json.dumps({"root": root, "left_out": index.left_out, "checksums": checksums}))


def _checksum(file: Path) -> int:
    checksum = 0
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _root_of(folder: Path) -> str | None:
    """Return the root that a folder holds indexes of; None where it holds none that is whole."""
    for head in folder.glob(f"*/{_HEAD}"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            return str(json.loads(head.read_text())["root"])
    return None


def _is_stale(folder: Path) -> bool:
    try:
        return folder.stat().st_mtime < time.time() - _STALE_S
    except OSError:
        return False
