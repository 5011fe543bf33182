"""Evidence: what the gate of a project stands on, that is text to learn from and cases that text knows nothing of.

With a history, the text is the project at a commit T, and the cases are lines that later commits added. Without one,
some files are held out. The whole project as it is now is there as well, for the weights that will serve.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.gate import CASES, LEAST_CASES, gate_cases, held_out_source
from codecompose_ls.evaluation.hidden_lines import Case
from codecompose_ls.evaluation.history import find_commit, replay
from codecompose_ls.evaluation.projects import project_at
from codecompose_ls.index.repository import Repository
from codecompose_ls.tuning.project import ProjectText, collect, split

#: What `measured_at` says where there is no commit.
HELD_OUT = "held-out files"
#: Share of the characters held out.
HELD_OUT_SHARE = 0.2
#: So many files with cases are enough, too: lines of one file are alike.
_FILES = 20
#: A project with less of today's source code than this was another project.
LEAST_SHARE = 0.25
#: Lines added for every case that is wanted: some have twins, or are too short.
LINES_A_CASE = 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """`known` is what may be learnt from before the gate, `whole` what is learnt from after it.

    `measured_at` is the commit T, or `HELD_OUT`; `story` says in a sentence what is asked for.
    """

    measured_at: str
    known: ProjectText
    whole: ProjectText
    cases: tuple[Case, ...]
    story: str

    @property
    def files(self) -> int:
        """How many files the cases are of."""
        return len({case.path for case in self.cases})


def find_evidence(folder: Path, *, since: str | None = None, force: bool = False) -> Evidence:
    """Return the evidence for a project's folder; raises `InputError` where there is too little, unless it is forced.

    `since` names T as `evaluate --since` does. Otherwise T is the newest commit after which there is enough to ask for.
    """
    if not is_repository(folder):
        if since is not None:
            raise InputError(f"--since {since}: {folder} is not the top of a git repository, so it has no history")
        return _from_files(folder, _collected(folder, None), force=force)
    repository = Repository(folder)
    try:
        head = repository.commit("HEAD")
    except InputError as error:
        raise InputError(f"{folder}: the repository is empty; commit something first") from error
    whole = _collected(folder, head)
    if since is not None:
        return _from_history(repository, find_commit(repository, since, head=head), whole, since=since, force=force)
    return _from_enough_history(repository, whole) or _from_files(folder, whole, force=force)


def is_repository(folder: Path) -> bool:
    """Return whether a folder is the top of a checkout, its `.git` or a bare repository."""
    return (folder / ".git").exists() or ((folder / "HEAD").is_file() and (folder / "objects").is_dir())


def _from_enough_history(repository: Repository, whole: ProjectText) -> Evidence | None:
    """Return the evidence since the newest commit with enough after it; with less, where there never was more; or None.

    How many cases some lines come to is known once they are read: the tries go back further and further.
    """
    found: dict[str, Evidence] = {}
    for lines in (LINES_A_CASE * CASES, 4 * LINES_A_CASE * CASES, None):
        commit = _newest_with(repository, lines, head=whole.revision or "HEAD")
        if commit is not None and commit not in found:
            try:
                found[commit] = _from_history(repository, commit, whole, since=commit[:12], force=False)
            except InputError:
                continue
            if len(found[commit].cases) >= CASES and found[commit].files >= _FILES:
                return found[commit]
    return max(found.values(), key=lambda evidence: (evidence.files, len(evidence.cases)), default=None)


def _newest_with(repository: Repository, lines: int | None, *, head: str) -> str | None:
    """Return the newest commit since which so many lines were added, or the oldest that may be taken.

    Both conditions hold from some commit backwards, nearly always, so that few commits have to be looked at.
    """
    commits = repository.first_parents(head)[1:]
    least = LEAST_SHARE * repository.source_bytes(head)
    commits = commits[: _first(commits, lambda commit: repository.source_bytes(commit) < least)]

    def has_enough(commit: str) -> bool:
        return lines is not None and sum(map(len, repository.added(commit, head).values())) >= lines

    return commits[min(_first(commits, has_enough), len(commits) - 1)] if commits else None


def _first(commits: list[str], holds: Callable[[str], bool]) -> int:
    """Return the first place from which on something holds, or the length: by steps that double, then by halves."""
    step = 1
    while step <= len(commits) and not holds(commits[step - 1]):
        step *= 2
    low = step // 2
    return bisect_left(commits, True, lo=low, hi=min(step, len(commits)), key=holds)


def _from_history(repository: Repository, commit: str, whole: ProjectText, *, since: str, force: bool) -> Evidence:
    known = _collected(repository.folder, commit)
    replayed = replay(repository, since, name=whole.name)
    cases = gate_cases(replayed.source)
    if len(cases) < LEAST_CASES and not force:
        few = f"{len(cases)} lines to ask for since {since}, it takes {LEAST_CASES}"
        raise InputError(f"{repository.folder}: not enough history: {few}; name an earlier --since, or --force it")
    return Evidence(commit, known, whole, tuple(cases), str(replayed))


def _from_files(folder: Path, whole: ProjectText, *, force: bool) -> Evidence:
    known, held_out = split(whole.documents, share=HELD_OUT_SHARE, most=whole.characters)
    paths = frozenset(document.path for document in held_out)
    root = Repository(folder).tree(whole.revision, name=whole.name) if whole.revision else folder
    cases = gate_cases(held_out_source(project_at(root, name=whole.name), paths))
    if len(cases) < LEAST_CASES and not force:
        few = f"{len(cases)} lines to ask for in {len(paths)} files held out, it takes {LEAST_CASES}"
        raise InputError(f"{folder}: not enough history, and too little code to do without: {few}; or --force it")
    story = f"{whole.name}: {len(paths)} files held out, {len(known)} to learn from; no history to replay"
    return Evidence(HELD_OUT, whole.without(paths), whole, tuple(cases), story)


def _collected(folder: Path, revision: str | None) -> ProjectText:
    """Collect a project; raises `InputError` where there is nothing, or too little to split."""
    text = collect(folder, revision=revision)
    place = f"{folder}" + (f" at {revision[:12]}" if revision else "")
    if not text.documents and not text.dropped:
        raise InputError(f"{place}: no source files, or all are ignored")
    if len(text.documents) < 2:
        dropped = ", ".join(f"{count} {name}" for name, count in text.dropped.most_common())
        left = "one file is" if text.documents else "no source file is"
        raise InputError(f"{place}: {left} left to learn from, it takes two at least (left out: {dropped or 'none'})")
    return text
