"""History replay: the repository as it was at a commit, and the lines that later commits added (docs/metrics.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.hidden_lines import Source, is_written
from codecompose_ls.evaluation.projects import Project, find_roots, names, project_at
from codecompose_ls.index.repository import Repository

#: A line with fewer visible characters, as `)` and `} {`, was hardly written by anybody.
LEAST_VISIBLE = 4

_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?")
_DURATION = re.compile(r"(\d+) ?(d|w|m|y|days?|weeks?|months?|years?)")
_DAY_S = 86_400
_UNIT_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}


@dataclass(frozen=True, slots=True)
class Replay:
    """A repository's history from one commit to another, as a source of cases."""

    source: Source
    since: str
    head: str
    #: When they were committed, in UTC.
    since_date: str
    head_date: str
    #: Lines added later, and how many of them may be asked for: neither too short nor with a twin.
    added: int
    asked: int

    def __str__(self) -> str:
        return (
            f"{self.source.asked.name}: {self.asked} of {self.added} lines added from {self.since[:12]} "
            f"({self.since_date}) to {self.head[:12]} ({self.head_date}) have no twin"
        )


def find_commit(repository: Repository, since: str, *, head: str) -> str:
    """Return the commit that `--since` names; raises `InputError`.

    A date (ISO 8601, UTC unless it says otherwise) and a duration before `head` (`90d`, `12 weeks`, `6m`, `1y`) mean
    the last commit before then on the first-parent line of `head`; anything else is a revision in its history.
    """
    if _DATE.fullmatch(since):
        moment = _seconds(since)
    elif duration := _DURATION.fullmatch(since):
        moment = repository.committed(head) - int(duration[1]) * _UNIT_DAYS[duration[2][0]] * _DAY_S
    else:
        commit = repository.commit(since)
        if not repository.is_ancestor(commit, of=head):
            raise InputError(f"{repository.folder}: '{since}' is not in the history of HEAD")
        return commit
    found = repository.last_before(moment, head=head)
    if found is None:
        mend = repository.deepening or "name a later --since"
        raise InputError(f"{repository.folder}: no commit is older than '{since}': {mend}")
    return found


def replays(folders: Sequence[Path], since: str, *, each: bool = False, language: str | None = None) -> list[Replay]:
    """Replay every repository in `folders` or, with `each`, in the folders in them; raises `InputError`."""
    roots = find_roots(folders, each=each)
    repositories = [Repository(root) for root in roots]
    if not repositories:
        raise InputError("no repository to replay")
    named = names([repository.top for repository in repositories])
    pairs = zip(repositories, named, strict=True)
    return [replay(repository, since, name=name, language=language) for repository, name in pairs]


def replay(repository: Repository, since: str, *, name: str, language: str | None = None) -> Replay:
    """Return what was added between `--since` and HEAD, to be asked for in the workspace as it was; `InputError`."""
    head = repository.commit("HEAD")
    commit = find_commit(repository, since, head=head)
    then, now = (project_at(repository.tree(at, name=name), name=name) for at in (commit, head))
    if not then.files:
        raise InputError(f"{repository.folder}: there was no source file yet at {commit[:12]} ('{since}')")
    if commit == head:
        raise InputError(f"{repository.folder}: nothing has been committed since '{since}'; name an earlier --since")
    # A language narrows what is asked for, never what is known.
    now = now.only(language)
    added = repository.added(commit, head)
    asked = without_twins(now, added, known=stripped_lines(then))
    if not asked:
        what = f"no {language} line" if language else "no line"
        raise InputError(f"{repository.folder}: {what} to ask for was added since {commit[:12]} ('{since}')")
    return Replay(
        source=Source(workspace=then, asked=now, lines=asked),
        since=commit,
        head=head,
        since_date=_date(repository.committed(commit)),
        head_date=_date(repository.committed(head)),
        added=sum(len(added.get(path, ())) for path in now.files),
        asked=sum(map(len, asked.values())),
    )


def stripped_lines(project: Project) -> frozenset[str]:
    """Return every line of a project, without the space around it."""
    return frozenset(line.strip() for path in project.files for line in _text(project, path).split("\n"))


def without_twins(
    project: Project, added: Mapping[str, frozenset[int]], *, known: frozenset[str]
) -> dict[str, frozenset[int]]:
    """Return those of the added lines (from 0, by path) that are long enough and not known, in files people write."""
    kept = {}
    for path in project.files:
        text = _text(project, path) if path in added else ""
        lines = text.split("\n") if is_written(path, text) else []
        numbers = frozenset(
            number for number in added.get(path, ()) if number < len(lines) and is_new(lines[number], known)
        )
        if numbers:
            kept[path] = numbers
    return kept


def is_new(line: str, known: frozenset[str]) -> bool:
    """Return whether a line is long enough to have been written, and has no twin."""
    return sum(not character.isspace() for character in line) >= LEAST_VISIBLE and line.strip() not in known


def _text(project: Project, path: str) -> str:
    try:
        return project.read(path)
    except (OSError, UnicodeDecodeError):
        return ""


def _seconds(date: str) -> int:
    """Return the seconds since 1970 of an ISO 8601 date."""
    try:
        moment = datetime.fromisoformat(date.replace("Z", "+00:00"))
    except ValueError as error:
        raise InputError(f"--since '{date}': no such date ({error})") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d")
