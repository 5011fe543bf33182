"""What has changed in a repository, as a diff of those files only that may be read.

Asked of git without its external programs; nothing is written. The rest is counted, never named.
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from codecompose_ls.errors import InputError
from codecompose_ls.index.files import Admission
from codecompose_ls.index.secrets import has_secret

#: Branches that others start from, the likeliest first.
BASES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
_DIFF = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--relative", "-M")
_SECONDS = 30
#: One file of several may take a third of the room that is left; less than so many characters tell nothing.
_SHARE, _LEAST = 3, 400


@dataclass(frozen=True, slots=True)
class Changes:
    """A diff that fits, and what is not in it."""

    diff: str
    #: What it is the difference to, as "since the branch left main".
    about: str
    files: int
    #: How many files are left out, by the reason.
    left_out: Mapping[str, int]

    def __str__(self) -> str:
        said = [f"{count} {'file' if count == 1 else 'files'} {reason}" for reason, count in self.left_out.items()]
        return f"Left out: {'; '.join(said)}." if said else ""


def changes(root: Path, admission: Admission, *, room: int) -> Changes:
    """Return what has changed since the branch began, or else what is not committed yet, or else the last commit.

    Raises `InputError` where there is no repository or nothing has changed.
    """
    if not _answers(root, "rev-parse", "--verify", "HEAD^{commit}"):
        raise InputError(f"{root}: no git repository with a commit, so there are no changes to describe")
    for about, between in _ranges(root):
        entries = list(_entries(root, between))
        if entries:
            return _shown(root, entries, between, about, admission=admission, room=room)
    raise InputError(f"{root}: nothing has changed")


def _ranges(root: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    head = _answers(root, "rev-parse", "HEAD")
    for base in BASES:
        if _answers(root, "rev-parse", "--verify", "--end-of-options", f"{base}^{{commit}}"):
            fork = _answers(root, "merge-base", base, "HEAD")
            if fork and fork != head:
                yield f"since the branch left {base}", (fork,)
            break
    yield "not committed yet", ("HEAD",)
    if _answers(root, "rev-parse", "--verify", "HEAD~1^{commit}"):
        yield "of the last commit", ("HEAD~1", "HEAD")


def _entries(root: Path, between: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of each changed file: one, or the old and the new one of a file that was moved."""
    fields = os.fsdecode(_git(root, *_DIFF, "--name-status", "-z", *between, "--")).split("\0")[:-1]
    while fields:
        count = 2 if fields.pop(0)[:1] in ("R", "C") else 1
        yield tuple(fields[:count])
        del fields[:count]


def _shown(
    root: Path,
    entries: list[tuple[str, ...]],
    between: tuple[str, ...],
    about: str,
    *,
    admission: Admission,
    room: int,
) -> Changes:
    parts: list[str] = []
    left_out: Counter[str] = Counter()
    for paths in entries:
        if any(_refused(root / path, admission) for path in paths):
            left_out["that may not be read"] += 1
            continue
        if room < _LEAST:
            left_out["for which there is no room"] += 1
            continue
        diff = _git(root, *_DIFF, *between, "--", *(f":(literal){path}" for path in paths)).decode("utf-8", "replace")
        if "\nBinary files " in diff or has_secret(diff):
            left_out["that may not be read"] += 1
            continue
        cut = _cut(diff, room if len(entries) == 1 else max(room // _SHARE, _LEAST))
        if len(cut) > room:
            left_out["for which there is no room"] += 1
            continue
        parts.append(cut)
        room -= len(cut)
    if not parts:
        raise InputError(f"{root}: no changes {about} that may be read")
    return Changes("".join(parts), about, len(parts), dict(left_out))


def _refused(path: Path, admission: Admission) -> bool:
    """Return whether a file may not be read; of one that is gone, the path alone tells."""
    return (admission.refusal(path) if os.path.lexists(path) else admission.misplaced(path)) is not None


def _cut(diff: str, room: int) -> str:
    if len(diff) <= room:
        return diff
    shown = diff[: diff.rfind("\n", 0, max(room, 1)) + 1]
    return f"{shown}... {diff.count(chr(10)) - shown.count(chr(10))} lines more\n" if shown else diff


def _answers(root: Path, *arguments: str) -> str:
    """Return what git says on one line; nothing where it refuses."""
    done = _run(root, *arguments)
    return "" if done.returncode else done.stdout.decode("utf-8", "replace").strip()


def _git(root: Path, *arguments: str) -> bytes:
    done = _run(root, *arguments)
    if done.returncode:
        said = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["git failed"])[0]
        raise InputError(f"{root}: git cannot tell what has changed ({said.removeprefix('fatal: ')})")
    return done.stdout


def _run(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    # Set by git around a hook, these would point to another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
    command = ["git", "-C", str(root), "-c", "core.quotePath=false", "-c", "core.fsmonitor=false", *arguments]
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=_SECONDS)
    except FileNotFoundError as error:
        raise InputError("the changes are asked of git, which is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{root}: git has not said within {_SECONDS} s what has changed") from error
