"""Files: which may be read at all, and which a workspace holds.

`Admission` is the one gate before a prompt, the index and a log. It gives a reason in words for the status, and knows
nothing of languages or settings but the ignore patterns. Rules are those of gitignore(5), with `.ignore` and
`.codecomposeignore` read beside every `.gitignore`; a user's global git excludes are not read. Not for use from two
threads at once.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cachetools import LRUCache
from pathspec import GitIgnoreSpec

from codecompose_ls.index.secrets import has_secret, is_secret_path
from codecompose_ls.languages import language_of

MAX_BYTES = 1_000_000
#: Later names win over earlier ones in the same folder, and deeper folders over shallower ones.
IGNORE_FILES = (".gitignore", ".ignore", ".codecomposeignore")
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


@dataclass(frozen=True, eq=False, slots=True)
class IgnoreRules:
    """The patterns of one ignore file as it was when it had `stamp`; they apply below `folder`."""

    file: Path
    folder: str
    stamp: tuple[int, int, int]
    spec: GitIgnoreSpec

    def verdict(self, path: str, *, is_folder: bool) -> bool | None:
        """Return True for ignored, False for expressly not ignored, None when no pattern matches."""
        relative = path[len(self.folder) :].lstrip(os.sep).replace(os.sep, "/")
        return self.spec.check_file(relative + "/" if is_folder else relative).include


class Admission:
    """The gate in front of prompt, index and log.

    `root` is the workspace (None for a lone file), `ignore` the settings' patterns, relative to it.
    """

    def __init__(self, root: Path | None, ignore: tuple[str, ...] = ()) -> None:
        self._roots = () if root is None else tuple({os.path.abspath(root), os.path.realpath(root)})
        self._enclosing = {str(parent) for root in self._roots for parent in (Path(root), *Path(root).parents)}
        self._settings = GitIgnoreSpec.from_lines(ignore)
        self._rules: dict[str, IgnoreRules | None] = {}
        self._tops: dict[str, str] = {}
        self._files: dict[str, tuple[Path, ...]] = {}
        self._verdicts: LRUCache[str, tuple[list[IgnoreRules], str | None]] = LRUCache(8192)
        self._contents: LRUCache[str, tuple[tuple[int, int, int], str | None]] = LRUCache(8192)
        self._clean: LRUCache[Path, str] = LRUCache(32)

    def refusal(self, path: Path, text: str | None = None) -> str | None:
        """Say why a file may not be read, or None when it may.

        `text` is the editor's version; without it the file on disk is looked at. A relative path is a document that
        has never been saved: only its name and text count. Being outside the workspace is no reason.
        """
        if path.is_absolute():
            named, real = os.path.abspath(path), os.path.realpath(path)
            for place in {named: None, real: None}:
                if reason := self._name_refusal(place) or self._ignored(place):
                    return reason
            if text is None:
                return self._disk_refusal(real)
        elif reason := self._name_refusal(str(path)):
            return reason
        return self._text_refusal(path, text or "")

    def skips(self, folder: Path) -> bool:
        """Return whether a walk should not enter `folder`: no code of the project's own, or ignored."""
        if folder.name in SKIPPED_FOLDERS or (folder / "pyvenv.cfg").is_file():
            return True
        place = os.path.abspath(folder)
        return self._ignored(place, is_folder=True) is not None

    def _name_refusal(self, place: str) -> str | None:
        relative = self._relative(place)
        if is_secret_path(relative):
            return f"looks like a secret ({os.path.basename(place)})"
        return None

    def _relative(self, place: str) -> str:
        """Return a path as seen from the workspace; what lies outside keeps its whole path."""
        for root in self._roots:
            if place.startswith(os.path.join(root, "")):
                return os.path.relpath(place, root)
        return place

    def _ignored(self, place: str, *, is_folder: bool = False) -> str | None:
        """Apply the settings, then the ignore files from the top folder down; an ignored folder ignores its content."""
        relative = self._relative(place).replace(os.sep, "/").lstrip("/")
        if self._settings.match_file(relative + "/" if is_folder else relative):
            return "ignored by settings"
        top = self._top(os.path.dirname(place))
        rules: list[IgnoreRules] = []
        step = top
        names = os.path.relpath(place, top).split(os.sep)
        for index, name in enumerate(names):
            rules = rules + self._rules_of_folder(step)
            step = os.path.join(step, name)
            if reason := self._verdict(step, rules, is_folder=is_folder or index < len(names) - 1):
                if step not in self._enclosing:
                    return reason
                # Whoever opens an ignored folder as a workspace means it: what is above has no say in it.
                rules = []
        return None

    def _verdict(self, place: str, rules: list[IgnoreRules], *, is_folder: bool) -> str | None:
        """Return what the last matching pattern says of one path, its parents aside; remembered while rules stay."""
        known = self._verdicts.get(place)
        if known is not None and known[0] == rules:
            return known[1]
        matches = ((rule, rule.verdict(place, is_folder=is_folder)) for rule in reversed(rules))
        rule, ignored = next((match for match in matches if match[1] is not None), (None, False))
        reason = f"ignored by {self._shown(rule.file)}" if rule is not None and ignored else None
        self._verdicts[place] = (rules, reason)
        return reason

    def _shown(self, file: Path) -> str:
        relative = self._relative(str(file))
        return file.name if os.path.isabs(relative) else relative.replace(os.sep, "/")

    def _top(self, folder: str) -> str:
        """Return the highest folder whose ignore files count: the workspace or the file's repository."""
        if folder not in self._tops:
            parents = (folder, *map(str, Path(folder).parents))
            root = next((parent for parent in parents if parent in self._roots), folder)
            repository = next((parent for parent in parents if os.path.lexists(os.path.join(parent, ".git"))), folder)
            self._tops[folder] = min(root, repository, key=len)
        return self._tops[folder]

    def _rules_of_folder(self, folder: str) -> list[IgnoreRules]:
        if folder not in self._files:
            self._files[folder] = (_exclude_file(Path(folder, ".git")), *(Path(folder, name) for name in IGNORE_FILES))
        found = (self._read_rules(file, folder) for file in self._files[folder])
        return [rules for rules in found if rules is not None]

    def _read_rules(self, file: Path, folder: str) -> IgnoreRules | None:
        """Return a file's rules, read again only when the file has changed."""
        key = str(file)
        known = self._rules.get(key)
        try:
            stamp = _stamp(os.stat(key))
            if known is None or known.stamp != stamp:
                lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
                known = IgnoreRules(file, folder, stamp, GitIgnoreSpec.from_lines(lines))
        except OSError:
            known = None
        self._rules[key] = known
        return known

    def _disk_refusal(self, place: str) -> str | None:
        try:
            status = os.stat(place)
            if not stat.S_ISREG(status.st_mode):
                return "not a file"
            if status.st_size > MAX_BYTES:
                return "larger than 1 MB"
            known = self._contents.get(place)
            if known is None or known[0] != _stamp(status):
                known = (_stamp(status), _content_refusal(Path(place).read_bytes()))
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
        if has_secret(text if before is None else _unseen(before, text)):
            self._clean.pop(path, None)
            return "holds a secret"
        self._clean[path] = text
        return None


def walk(root: Path, admission: Admission) -> Iterator[Path]:
    """Yield the admitted source files of known languages below `root`, sorted, folder by folder.

    Links are never followed: what they point to is either below `root` and met there, or not the project's.
    """
    try:
        with os.scandir(root) as entries:
            listing = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in listing:
        path = root / entry.name
        if entry.is_dir(follow_symlinks=False):
            if not admission.skips(path):
                yield from walk(path, admission)
        elif entry.is_file(follow_symlinks=False) and language_of(entry.name) and admission.refusal(path) is None:
            yield path


def _content_refusal(content: bytes) -> str | None:
    if b"\0" in content:
        return "binary"
    return "holds a secret" if has_secret(content.decode("utf-8", "replace")) else None


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _exclude_file(git: Path) -> Path:
    """Return `info/exclude` of a repository; in a linked worktree `.git` is a file that names another folder."""
    try:
        if git.is_file():
            git = git.parent / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
            common = git / "commondir"
            git = git / common.read_text(encoding="utf-8").strip() if common.is_file() else git
    except (OSError, UnicodeDecodeError):
        pass
    return git / "info" / "exclude"


def _unseen(before: str, after: str) -> str:
    """Return what differs in `after`, with a margin, so that a keystroke does not search the whole text again."""
    blocks = range(0, min(len(before), len(after)), _MARGIN_CHARS)
    head = next((at for at in blocks if before[at : at + _MARGIN_CHARS] != after[at : at + _MARGIN_CHARS]), blocks.stop)
    backwards = ((at, len(before) - at, len(after) - at) for at in blocks)
    tail = next(
        (at for at, b, a in backwards if before[max(0, b - _MARGIN_CHARS) : b] != after[max(0, a - _MARGIN_CHARS) : a]),
        blocks.stop,
    )
    tail = min(tail, blocks.stop - head)
    return after[max(0, head - _MARGIN_CHARS) : len(after) - max(0, tail - _MARGIN_CHARS)]
