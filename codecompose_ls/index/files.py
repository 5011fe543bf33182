"""Files: which may be read at all, and which a workspace holds.

`Admission` is the one gate before a prompt, the index and a log; its reasons are words for the status. It knows of the
settings only the ignore patterns. Not for use from two threads at once.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cachetools import LRUCache

from codecompose_ls.index.ignore import Ignore, Stamp, stamp_of
from codecompose_ls.index.secrets import has_secret, is_secret_path
from codecompose_ls.languages import language_of
from codecompose_ls.telemetry.edits import edit_between

MAX_BYTES = 1_000_000
#: Folders that hold no code of the project's own, whether ignored or not.
# fmt: off
SKIPPED_FOLDERS = frozenset((
    ".git", ".hg", ".svn", ".jj", "node_modules", "bower_components", ".venv", "venv", "__pycache__",
    "__pypackages__", "site-packages", ".tox", ".nox", ".mypy_cache", ".ruff_cache", ".pytest_cache",
    ".hypothesis", ".gradle", ".terraform", ".idea", ".vscode",
))
# fmt: on
#: A secret is looked for this far on both sides of what was typed since the last look.
_MARGIN_CHARS = 512


class Admission:
    """The gate in front of prompt, index and log.

    `root` is the workspace (None for a lone file), `ignore` the settings' patterns, relative to it.
    """

    def __init__(self, root: Path | None, ignore: tuple[str, ...] = ()) -> None:
        self._roots = () if root is None else tuple({os.path.abspath(root), os.path.realpath(root)})
        self._ignore = Ignore(self._roots, ignore)
        self._contents: LRUCache[str, tuple[Stamp, str | None]] = LRUCache(8192)
        self._clean: LRUCache[Path, str] = LRUCache(32)

    def refusal(self, path: Path, text: str | None = None) -> str | None:
        """Say why a file may not be read, or None when it may.

        `text` is the editor's version; without it the file on disk is looked at. A relative path is a document that
        has never been saved: only its name and text count. Being outside the workspace is no reason.
        """
        if path.is_absolute():
            if reason := self.misplaced(path):
                return reason
            if text is None:
                return self._disk_refusal(os.path.realpath(path))
        elif reason := self._name_refusal(str(path)):
            return reason
        return self._text_refusal(path, text or "")

    def misplaced(self, path: Path) -> str | None:
        """Say why a file may not be read, whatever it holds, by its absolute path alone; None when it may."""
        for place in {os.path.abspath(path): None, os.path.realpath(path): None}:
            if reason := self._name_refusal(place) or self._ignore_refusal(place):
                return reason
        return None

    @property
    def ignore_files(self) -> dict[str, Stamp | None]:
        """The ignore files that had a say so far or could have had, and their states; None for one that is missing."""
        return self._ignore.sources

    def skips(self, folder: Path) -> bool:
        """Return whether a walk should not enter `folder`: no code of the project's own, or ignored."""
        if folder.name in SKIPPED_FOLDERS or (folder / "pyvenv.cfg").is_file():
            return True
        return self._ignore.decides(os.path.abspath(folder), is_folder=True) is not None

    def _name_refusal(self, place: str) -> str | None:
        return f"looks like a secret ({os.path.basename(place)})" if is_secret_path(self._relative(place)) else None

    def _ignore_refusal(self, place: str) -> str | None:
        rules = self._ignore.decides(place)
        if rules is None or rules.source is None:
            return None if rules is None else "ignored by settings"
        source = self._relative(rules.source)
        return f"ignored by {os.path.basename(source) if os.path.isabs(source) else source}"

    def _relative(self, place: str) -> str:
        """Return a path as seen from the workspace; what lies outside keeps its whole path."""
        root = next((root for root in self._roots if place.startswith(os.path.join(root, ""))), None)
        return place if root is None else os.path.relpath(place, root).replace(os.sep, "/")

    def _disk_refusal(self, place: str) -> str | None:
        try:
            status = os.stat(place)
            if not stat.S_ISREG(status.st_mode):
                return "not a file"
            if status.st_size > MAX_BYTES:
                return "larger than 1 MB"
            known = self._contents.get(place)
            if known is None or known[0] != stamp_of(status):
                known = (stamp_of(status), _content_refusal(Path(place).read_bytes()))
                self._contents[place] = known
            return known[1]
        except OSError as error:
            return f"cannot be read ({error.strerror})"

    def _text_refusal(self, path: Path, text: str) -> str | None:
        # Four bytes is the longest character; most texts need no count.
        if len(text) > MAX_BYTES // 4 and len(text.encode("utf-8", "replace")) > MAX_BYTES:
            return "larger than 1 MB"
        if "\0" in text:
            return "binary"
        before = self._clean.get(path)
        if before is text:
            return None
        if has_secret(text if before is None else _unseen(before, text)):
            self._clean.pop(path, None)
            return "holds a secret"
        self._clean[path] = text
        return None


def walk(root: Path, admission: Admission, *, look_inside: bool = True) -> Iterator[Path]:
    """Yield the admitted source files of known languages below `root`, sorted, folder by folder.

    Links are never followed: what they point to is either below `root` and met there, or not the project's. Who looks
    at the texts himself needs no look inside.
    """
    refusal = admission.refusal if look_inside else admission.misplaced
    try:
        with os.scandir(root) as entries:
            listing = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in listing:
        path = root / entry.name
        if entry.is_dir(follow_symlinks=False):
            if not admission.skips(path):
                yield from walk(path, admission, look_inside=look_inside)
        elif entry.is_file(follow_symlinks=False) and language_of(entry.name) and refusal(path) is None:
            yield path


def _content_refusal(content: bytes) -> str | None:
    if b"\0" in content:
        return "binary"
    return "holds a secret" if has_secret(content.decode("utf-8", "replace")) else None


def _unseen(before: str, after: str) -> str:
    """Return what differs in `after`, with a margin, so that a keystroke does not search the whole text again."""
    edit = edit_between(before, after)
    return after[max(0, edit.start - _MARGIN_CHARS) : edit.start + len(edit.inserted) + _MARGIN_CHARS]
