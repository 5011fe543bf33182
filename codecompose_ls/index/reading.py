"""What the index reads of a workspace: which files, at which state, and their text; nothing that must be left alone."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from codecompose_ls.index.files import MAX_BYTES, Admission, walk
from codecompose_ls.index.ignore import Stamp as RuleStamp
from codecompose_ls.index.ignore import stamp_of
from codecompose_ls.languages import language_of

#: When a file was changed last, in ns, and its size in bytes: a file is taken for unchanged while both stay the same.
Stamp = tuple[int, int]
#: Ignore files and their states; None for one that was looked for and not there.
Rules = dict[str, RuleStamp | None]

#: Longer lines, on average or one alone, are written by programs (characters).
_LONG_LINES, _LONGEST_LINE = 150, 20_000
#: Of fewer characters than this, blanks aside, it is hard to say whether they are a table.
_FEW = 1_000
_WORD = re.compile(r"[^\W\d_]{2,}")


class Reader:
    """Reads below `root`; paths are relative to it, with forward slashes. Not for use from two threads at once.

    `ignore` are the settings' patterns.
    """

    def __init__(self, root: Path, ignore: tuple[str, ...] = ()) -> None:
        self._root = Path(os.path.abspath(root))
        self._real = os.path.realpath(root)
        self._admission = Admission(root, ignore)

    def files(self) -> Iterator[tuple[str, Stamp]]:
        """Yield the source files, by name: what they hold is for `text` to see."""
        for path in walk(self._root, self._admission, look_inside=False):
            if stamp := _stamp(path):
                yield path.relative_to(self._root).as_posix(), stamp

    def text(self, path: str) -> str | None:
        """Return a file's text as it is on disk; None for one that is gone or not for the index."""
        place, stamp = self._root / path, self.stamp(path)
        if stamp is None or not self._leads_to(path):
            return None
        try:
            text = place.read_bytes().decode("utf-8", "replace")
        except OSError:
            return None
        return text if self.admits(path, text) else None

    def admits(self, path: str, text: str) -> bool:
        """Return whether an editor's version of a file may be indexed."""
        known = language_of(path) is not None
        return known and self._admission.refusal(self._root / path, text) is None and is_code(text)

    def is_folder(self, path: str) -> bool:
        """Return whether a folder is there."""
        return (self._root / path).is_dir()

    def rules(self) -> Rules:
        """Return by which ignore files `files` has gone."""
        return self._admission.ignore_files

    def stamp(self, path: str) -> Stamp | None:
        """Return the state of a file; None for one that is gone or too large."""
        return _stamp(self._root / path)

    def _leads_to(self, path: str) -> bool:
        """Return whether a walk comes by: no link on the way, no folder that it skips."""
        if os.path.realpath(self._root / path) != os.path.join(self._real, *path.split("/")):
            return False
        folders = (folder for folder in Path(path).parents if folder.name)
        return not any(self._admission.skips(self._root / folder) for folder in folders)


def hold(rules: Rules) -> bool:
    """Return whether all ignore files are as they were."""
    return all(_rule_stamp(source) == stamp for source, stamp in rules.items())


def is_code(text: str) -> bool:
    """Return whether people may have written it: words in lines, not a table of numbers, not a bundle.

    More lenient than `tuning.filters`, on purpose: what is found once too often costs a suggestion, what is learnt
    stays. Names count in every script here.
    """
    lines = text.split("\n")
    if len(text) > _LONG_LINES * len(lines) or max(map(len, lines)) > _LONGEST_LINE:
        return False
    sample = text[:20_000]
    visible = sum(map(len, sample.split()))
    return visible < _FEW or sum(map(len, _WORD.findall(sample))) > 0.25 * visible


def _rule_stamp(source: str) -> RuleStamp | None:
    try:
        return stamp_of(os.stat(source))
    except OSError:
        return None


def _stamp(place: Path) -> Stamp | None:
    try:
        status = os.stat(place)
    except OSError:
        return None
    regular = stat.S_ISREG(status.st_mode) and status.st_size <= MAX_BYTES
    return (status.st_mtime_ns, status.st_size) if regular else None
