"""Session replay: a line of a single commit, asked for as if some of its other changes had just been made.

What a person does lately leaves no trace in a history. A commit is the nearest thing: what belongs to it was written
at about one time. The workspace is that of its parent (definitions: docs/metrics.md).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from codecompose_ls.evaluation.hidden_lines import Case, Edit, Kind, cursors, hide, is_written
from codecompose_ls.evaluation.history import find_commit, is_new, stripped_lines
from codecompose_ls.evaluation.projects import Project, find_roots, names, project_at
from codecompose_ls.evaluation.randomness import generator
from codecompose_ls.index.files import Admission
from codecompose_ls.index.repository import Hunk, Repository
from codecompose_ls.languages import language_of

#: Larger commits are not what a person types in one go: imports of other code, reformatting (files, lines added).
MOST_FILES, MOST_LINES = 30, 1500
#: How likely a change elsewhere in the commit is to have been made before the line that is asked for.
MADE_BEFORE = 0.5


def draw_sessions(
    folders: Sequence[Path], since: str, *, cases: int, each: bool = False, language: str | None = None, seed: int = 0
) -> list[Case]:
    """Draw up to `cases` cases of each kind from the commits since `since`, one of each kind from a commit at most.

    Repositories take turns, and their cases come one commit after the other. Raises `InputError`.
    """
    repositories = [Repository(root) for root in find_roots(folders, each=each)]
    named = names([repository.top for repository in repositories])
    lanes = [
        _lane(repository, since, name=name, language=language, seed=seed)
        for repository, name in zip(repositories, named, strict=True)
    ]
    drawn: list[list[Case]] = [[] for _ in lanes]
    open_lanes = set(range(len(lanes)))
    while open_lanes and sum(map(len, drawn)) < cases * len(Kind):
        for number in sorted(open_lanes):
            found = next(lanes[number], None)
            if found is None:
                open_lanes.discard(number)
            else:
                drawn[number] += found
    return [case for theirs in drawn for case in theirs]


def _lane(repository: Repository, since: str, *, name: str, language: str | None, seed: int) -> Iterator[list[Case]]:
    """Yield the cases of one commit after the other, in a random order."""
    head = repository.commit("HEAD")
    commits = repository.changes(find_commit(repository, since, head=head), head)
    generator(seed, name).shuffle(commits)
    for commit in commits:
        change = _change(repository, commit, name=name, language=language)
        if change is not None:
            rng = generator(seed, name, commit)
            found = [case for kind in Kind if (case := change.draw(kind, rng))]
            if found:
                yield found


def _change(repository: Repository, commit: str, *, name: str, language: str | None) -> _Change | None:
    """Return what a commit changed; None where that is too much, too little, or nothing to ask for."""
    parent = repository.commit(f"{commit}^")
    hunks = repository.hunks(parent, commit)
    added = sum(len(hunk.new) for theirs in hunks.values() for hunk in theirs)
    asked = [path for path in hunks if language in (None, language_of(path))]
    if not asked or len(hunks) > MOST_FILES or added > MOST_LINES or sum(map(len, hunks.values())) < 2:
        return None
    before = project_at(repository.tree(parent, name=name), name=name)
    admission = Admission(before.root)
    after = {
        path: text
        for path, text in repository.texts(commit, hunks).items()
        if admission.refusal(before.root / path, text) is None
    }
    return _Change(before, after, {path: hunks[path] for path in after}, asked, stripped_lines(before))


@dataclass(frozen=True, slots=True)
class _Change:
    """A commit: the project before it, the texts of files after it, what differs, and which files may be asked for."""

    before: Project
    after: dict[str, str]
    hunks: dict[str, list[Hunk]]
    asked: list[str]
    known: frozenset[str]

    def draw(self, kind: Kind, rng: random.Random) -> Case | None:
        """Draw a line that the commit added, and what of the commit was there before it."""
        places = [
            (path, number, line)
            for path in self.asked
            if path in self.after and is_written(path, self.after[path])
            for number, hunk in enumerate(self.hunks[path])
            for line in hunk.new
        ]
        rng.shuffle(places)
        for path, number, line in places:
            written = self.after[path].split("\n")[line]
            columns = cursors(written, kind)
            if columns and is_new(written, self.known):
                return self._case(path, number, line, kind=kind, column=rng.choice(columns), rng=rng)
        return None

    def _case(
        self, path: str, number: int, line: int, *, kind: Kind, column: tuple[int, int], rng: random.Random
    ) -> Case:
        """Ask for a line of a file's hunk of that number: what stands above it in the hunk is there."""
        others = {one for one in range(len(self.hunks[path])) if rng.random() < MADE_BEFORE} - {number}
        edits = [
            Edit(other, _text(self.before, other), text)
            for other, text in self.after.items()
            if other != path and rng.random() < MADE_BEFORE
        ]
        before = _text(self.before, path)
        old, new = before.split("\n"), self.after[path].split("\n")
        lines: list[str] = []
        at = asked = 0
        for one, hunk in enumerate(self.hunks[path]):
            lines += old[at : hunk.old.start]
            if one == number:
                lines += new[hunk.new.start : line]
                asked = len(lines)
                lines.append(new[line])
            else:
                lines += new[hunk.new.start : hunk.new.stop] if one in others else old[hunk.old.start : hunk.old.stop]
            at = hunk.old.stop
        lines += old[at:]
        start = sum(len(one) + 1 for one in lines[:asked])
        text, hidden = hide("\n".join(lines), start + column[0], start + column[1])
        edits.append(Edit(path, before, text))
        language = language_of(path) or ""
        return Case(self.before, path, language, kind, text, start + column[0], hidden, edits=tuple(edits))


def _text(project: Project, path: str) -> str:
    """Return the text of a file; none of one that is not there or may not be read."""
    try:
        return project.read(path) if path in project.files else ""
    except (OSError, UnicodeDecodeError):
        return ""
