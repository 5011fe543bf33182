"""A git repository, read by git's own plumbing: nothing is checked out or written, and no filter or hook runs.

Works on a checkout, on its `.git` and on a bare repository. Every failure is an `InputError`.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from codecompose_ls import folders
from codecompose_ls.errors import InputError
from codecompose_ls.index.files import MAX_BYTES
from codecompose_ls.index.ignore import IGNORE_FILES
from codecompose_ls.languages import LANGUAGES, language_of
from codecompose_ls.settings import PROJECT_FILE

#: What says which files may be read; a tree without it would show too much.
RULE_FILES = frozenset((*IGNORE_FILES, PROJECT_FILE))
#: Set by git around a hook, they would point to another repository than the one named.
_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE")
_SOURCES = [f":(icase)*{extension}" for language in LANGUAGES.values() for extension in language.extensions]
_HUNK = re.compile(rb"@@ -(?P<from>\d+)(?:,(?P<gone>\d+))? \+(?P<to>\d+)(?:,(?P<come>\d+))? @@")


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines of a file, from 0, that came in place of others: `old` are gone, `new` are there."""

    old: range
    new: range


class Repository:
    """A repository at the folder of a checkout, a `.git` or a bare repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        if not self.folder.is_dir():
            raise InputError(f"{folder}: no such folder")
        found = self._git("rev-parse", "--absolute-git-dir", complaint="no git repository").strip()
        if Path(os.fsdecode(found)).resolve() != self.folder and not (self.folder / ".git").exists():
            raise InputError(f"{folder}: only a part of a git repository; name its top folder")

    @property
    def top(self) -> Path:
        """The folder that the repository is known by: a checkout's, not its `.git`."""
        return self.folder.parent if self.folder.name == ".git" else self.folder

    def commit(self, revision: str) -> str:
        """Return the full id of the commit that a revision names."""
        try:
            found = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        except InputError as error:
            mend = self.deepening or "git log and git tag show what there is"
            raise InputError(f"{self.folder}: no revision '{revision}': {mend}") from error
        return found.decode().strip()

    @property
    def deepening(self) -> str:
        """What to do about a history that is cut off, as in a shallow clone; nothing for one that is whole."""
        is_cut = self._git("rev-parse", "--is-shallow-repository").strip() == b"true"
        return "it is a shallow clone, git fetch --unshallow gets the rest" if is_cut else ""

    def committed(self, commit: str) -> int:
        """Return when a commit was made, in seconds since 1970."""
        return int(self._git("show", "--no-patch", "--format=%ct", commit))

    def last_before(self, seconds: int, *, head: str) -> str | None:
        """Return the newest commit on the first-parent line of `head` that was made before a time."""
        found = self._git("rev-list", "-1", "--first-parent", f"--until=@{max(0, seconds - 1)} +0000", head)
        return found.decode().strip() or None

    def first_parents(self, head: str) -> list[str]:
        """Return the ids of `head` and the commits on its first-parent line, newest first."""
        return self._git("rev-list", "--first-parent", head).decode().split()

    def changes(self, old: str, new: str) -> list[str]:
        """Return the commits since `old` up to `new` that have one parent, newest first."""
        return self._git("rev-list", "--min-parents=1", "--max-parents=1", f"{old}..{new}").decode().split()

    def source_bytes(self, commit: str) -> int:
        """Return how much source code a commit has, in files small enough to be read."""
        sizes = []
        for entry in self._git("ls-tree", "-r", "-l", "-z", commit).split(b"\0")[:-1]:
            about, _, path = entry.partition(b"\t")
            size = about.split()[3]
            if size.isdigit() and language_of(PurePosixPath(os.fsdecode(path))):
                sizes.append(int(size))
        return sum(size for size in sizes if size <= MAX_BYTES)

    def is_ancestor(self, commit: str, *, of: str) -> bool:
        return not self._git("rev-list", "-1", f"{of}..{commit}")

    def write(self, commit: str, folder: Path) -> None:
        """Write a commit's source files, and the files that say what may be read, into a folder; links stay out."""
        names: list[str] = []
        blobs: list[bytes] = []
        for entry in self._git("ls-tree", "-r", "-z", commit).split(b"\0")[:-1]:
            about, _, path = entry.partition(b"\t")
            mode, _, blob = about.split(b" ")
            if mode.startswith(b"100") and _is_wanted(os.fsdecode(path)):
                names.append(os.fsdecode(path))
                blobs.append(blob)
        contents = self._git("cat-file", "--batch", stdin=b"".join(blob + b"\n" for blob in blobs))
        for name, content in zip(names, _batch(contents), strict=True):
            if content is not None:
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)

    def texts(self, commit: str, paths: Iterable[str]) -> dict[str, str]:
        """Return the texts of files at a commit; what is not there or not UTF-8 is left out."""
        names = [path for path in paths if "\n" not in path]
        asked = b"".join(os.fsencode(f"{commit}:{path}\n") for path in names)
        found = zip(names, _batch(self._git("cat-file", "--batch", stdin=asked)), strict=True)
        texts = {}
        for path, content in found:
            with suppress(UnicodeDecodeError):
                if content is not None:
                    texts[path] = content.decode("utf-8")
        return texts

    def tree(self, commit: str, *, name: str) -> Path:
        """Return a folder called `name` in the cache with the sources at a commit: written whole or not at all."""
        extensions = sorted(extension for language in LANGUAGES.values() for extension in language.extensions)
        key = hashlib.sha256(" ".join((commit, *extensions)).encode()).hexdigest()[:16]
        trees = folders.cache() / "evaluations" / "trees" / key
        target = trees / name.replace("/", "+")
        if not target.is_dir():
            try:
                self._write_whole(commit, target)
            except OSError as error:
                if not target.is_dir():
                    mend = "mend that, or set CODECOMPOSE_CACHE to a folder elsewhere"
                    raise InputError(f"{target}: the tree cannot be written ({error.strerror}): {mend}") from error
        else:
            with suppress(OSError):
                # In use: what nobody has used for long is swept.
                os.utime(target)
        return target

    def _write_whole(self, commit: str, target: Path) -> None:
        # The copies are as private as the repository may be.
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=target.parent, ignore_cleanup_errors=True) as beside:
            partial = Path(beside, "tree")
            partial.mkdir()
            self.write(commit, partial)
            os.replace(partial, target)

    def added(self, old: str, new: str) -> dict[str, frozenset[int]]:
        """Return the lines (from 0) of each source file at `new` that are not in `old`'s, renames followed.

        Files over the size that may be read, and those that a partial clone lacks, are left out.
        """
        hunks = self.hunks(old, new, renames=True)
        added = {path: frozenset(line for hunk in theirs for line in hunk.new) for path, theirs in hunks.items()}
        return {path: lines for path, lines in added.items() if lines}

    def hunks(self, old: str, new: str, *, renames: bool = False) -> dict[str, list[Hunk]]:
        """Return what differs in each source file at `new`; a renamed file is a new one, unless renames are followed.

        The same files are left out as in `added`.
        """
        options = ("-r", "-p", "-U0", "--inter-hunk-context=0", "--no-color", "--no-ext-diff", "--no-textconv")
        prefixes = ("-M" if renames else "--no-renames", "--src-prefix=a/", "--dst-prefix=b/", "--diff-filter=d")
        left_out = [f":(exclude,literal){path}" for path in self._unreadable(old, new)]
        return _hunks(self._git("diff-tree", *options, *prefixes, old, new, "--", *_SOURCES, *left_out))

    def _unreadable(self, old: str, new: str) -> list[str]:
        """Return the changed source files that are too large or missing in one of two commits."""
        raw = self._git("diff-tree", "-r", "--raw", "-z", "--no-renames", old, new, "--", *_SOURCES).split(b"\0")[:-1]
        blobs = {path: about.split(b" ")[2:4] for about, path in zip(raw[::2], raw[1::2], strict=True)}
        names = sorted({blob for pair in blobs.values() for blob in pair if blob.strip(b"0")})
        told = self._git("cat-file", "--batch-check", stdin=b"".join(name + b"\n" for name in names)).splitlines()
        sizes = {words[0]: words[2] for words in (line.split(b" ") for line in told) if len(words) == 3}
        bad = {name for name in names if int(sizes.get(name, MAX_BYTES + 1)) > MAX_BYTES}
        return [os.fsdecode(path) for path, pair in blobs.items() if bad.intersection(pair)]

    def _git(self, *arguments: str, stdin: bytes = b"", complaint: str = "") -> bytes:
        environment = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
        # Objects that a partial clone lacks are not fetched: evaluating needs no network.
        environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
        command = [
            "git",
            "-C",
            str(self.folder),
            "-c",
            "core.quotePath=false",
            "-c",
            "core.fsmonitor=false",
            *arguments,
        ]
        try:
            done = subprocess.run(command, input=stdin, capture_output=True, env=environment)
        except FileNotFoundError as error:
            raise InputError("history replay needs git, which is not installed") from error
        if done.returncode:
            said = (done.stderr.decode(errors="replace").strip().splitlines() or ["git failed"])[0]
            raise InputError(f"{self.folder}: {complaint or 'git cannot read it'} ({said.removeprefix('fatal: ')})")
        return done.stdout


def _is_wanted(path: str) -> bool:
    """Return whether a path of a tree is to be written, and cannot lead out of the folder it is written to."""
    parts = path.split("/")
    if any(part in ("", ".", "..") or part.lower() == ".git" or os.sep in part for part in parts):
        return False
    return parts[-1] in RULE_FILES or language_of(PurePosixPath(path)) is not None


def _batch(output: bytes) -> Iterator[bytes | None]:
    """Yield the contents that `git cat-file --batch` printed, None for an object that is missing."""
    at = 0
    while at < len(output):
        end = output.index(b"\n", at)
        header, at = output[at:end].split(b" "), end + 1
        if len(header) == 3:
            size = int(header[2])
            yield output[at : at + size]
            at += size + 1
        else:
            yield None


def _hunks(diff: bytes) -> dict[str, list[Hunk]]:
    """Read a diff without context; files whose names git has to quote (control characters) are left out."""
    found: dict[str, list[Hunk]] = {}
    hunks: list[Hunk] = []
    skip = 0
    for line in diff.split(b"\n"):
        if skip and line[:1] in b"+-":
            skip -= 1
        elif line.startswith(b"+++ "):
            name = os.fsdecode(line[4:]).removesuffix("\t")
            hunks = found.setdefault(name[2:], []) if name.startswith("b/") else []
        elif hunk := _HUNK.match(line):
            gone, come = int(hunk["gone"] or 1), int(hunk["come"] or 1)
            skip = gone + come
            hunks.append(Hunk(_lines(int(hunk["from"]), gone), _lines(int(hunk["to"]), come)))
    return found


def _lines(first: int, count: int) -> range:
    """Return lines from 0; of none, git names the line before, from 1."""
    start = first if count == 0 else first - 1
    return range(start, start + count)
