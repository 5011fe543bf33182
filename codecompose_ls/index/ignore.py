"""Ignore rules: what gitignore(5) and the settings say of a path; reads ignore files, no others.

`.ignore` and `.codecomposeignore` are read beside every `.gitignore`; a user's global git excludes are not. As in git,
the last matching pattern decides, deeper files win, and nothing below an ignored folder can be called back.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cachetools import LRUCache
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

#: Later names win over earlier ones in the same folder.
IGNORE_FILES = (".gitignore", ".ignore", ".codecomposeignore")

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class IgnorePattern:
    """One line of an ignore file."""

    regex: re.Pattern[str]
    negated: bool
    folders_only: bool

    def matches(self, relative: str, *, is_folder: bool) -> bool:
        """Return whether the pattern names this very path; one that names a folder above it says nothing here."""
        if self.folders_only and not is_folder:
            return False
        match = self.regex.search(relative)
        # pathspec marks the slash after a folder that contains the path by a group.
        return match is not None and match.lastgroup is None


@dataclass(frozen=True, eq=False, slots=True)
class IgnoreRules:
    """The patterns that apply below `folder`; `source` is the file they come from, None for the settings."""

    folder: str
    patterns: tuple[IgnorePattern, ...]
    source: str | None = None
    stamp: Stamp | None = None

    def verdict(self, place: str, *, is_folder: bool) -> bool | None:
        """Return True for ignored, False for expressly not ignored, None when no pattern matches."""
        relative = os.path.relpath(place, self.folder).replace(os.sep, "/")
        for pattern in reversed(self.patterns):
            if pattern.matches(relative, is_folder=is_folder):
                return not pattern.negated
        return None


class Ignore:
    """The rules for any path, as they are on disk at the moment; unchanged files are not read again.

    `roots` are the spellings of the workspace's folder, `settings` the patterns relative to it.
    """

    def __init__(self, roots: tuple[str, ...], settings: tuple[str, ...] = ()) -> None:
        self._roots = roots
        self._enclosing = {str(folder) for root in roots for folder in (Path(root), *Path(root).parents)}
        self._settings = _parse(settings)
        self._settings_rules: dict[str, IgnoreRules] = {}
        self._rules: dict[str, IgnoreRules | None] = {}
        self._tops: dict[str, str] = {}
        self._sources: dict[str, tuple[Path, ...]] = {}
        self._verdicts: LRUCache[str, tuple[list[IgnoreRules], IgnoreRules | None]] = LRUCache(8192)

    def decides(self, place: str, *, is_folder: bool = False) -> IgnoreRules | None:
        """Return the rules by which an absolute path, or a folder above it, is ignored; None when it is not."""
        top, base = self._bounds(os.path.dirname(place))
        files: list[IgnoreRules] = []
        step = top
        names = os.path.relpath(place, top).split(os.sep)
        for index, name in enumerate(names):
            files = files + self._files_of(step)
            step = os.path.join(step, name)
            # No file can overrule the settings, so they have the last word, unless they are silent.
            settings = [] if step in self._enclosing else [self._settings_of(base)]
            rules = self._decisive(step, files + settings, is_folder=is_folder or index < len(names) - 1)
            if rules is not None and step not in self._enclosing:
                return rules
            if rules is not None:
                # Whoever opens an ignored folder as a workspace means it: what is above has no say in it.
                files = []
        return None

    @property
    def sources(self) -> dict[str, Stamp | None]:
        """The ignore files looked for so far, and the state in which each was found, if it was."""
        return {source: None if rules is None else rules.stamp for source, rules in self._rules.items()}

    def _decisive(self, place: str, rules: list[IgnoreRules], *, is_folder: bool) -> IgnoreRules | None:
        """Judge one path, the folders above it aside; remembered for as long as the rules stay the same."""
        known = self._verdicts.get(place)
        if known is not None and known[0] == rules:
            return known[1]
        verdicts = ((one, one.verdict(place, is_folder=is_folder)) for one in reversed(rules))
        # A negation in the settings calls back what the settings ignore, not what a file does.
        spoken = (
            (one, ignored) for one, ignored in verdicts if ignored or (ignored is False and one.source is not None)
        )
        decided, ignored = next(spoken, (None, False))
        self._verdicts[place] = (rules, decided if ignored else None)
        return self._verdicts[place][1]

    def _bounds(self, folder: str) -> tuple[str, str]:
        """Return the highest folder whose files count, workspace or repository, and the folder of the settings."""
        if folder not in self._tops:
            parents = (folder, *map(str, Path(folder).parents))
            repository = next((parent for parent in parents if os.path.lexists(os.path.join(parent, ".git"))), folder)
            self._tops[folder] = repository
        repository = self._tops[folder]
        root = next((root for root in self._roots if os.path.join(folder, "").startswith(os.path.join(root, ""))), None)
        return (repository, repository) if root is None else (min(root, repository, key=len), root)

    def _settings_of(self, base: str) -> IgnoreRules:
        return self._settings_rules.setdefault(base, IgnoreRules(base, self._settings))

    def _files_of(self, folder: str) -> list[IgnoreRules]:
        if folder not in self._sources:
            sources = (_exclude_file(Path(folder, ".git")), *(Path(folder, name) for name in IGNORE_FILES))
            self._sources[folder] = sources
        found = (self._read(source, folder) for source in self._sources[folder])
        return [rules for rules in found if rules is not None]

    def _read(self, source: Path, folder: str) -> IgnoreRules | None:
        key = str(source)
        rules = self._rules.get(key)
        try:
            stamp = stamp_of(os.stat(key))
            if rules is None or rules.stamp != stamp:
                lines = source.read_text(encoding="utf-8", errors="replace").split("\n")
                rules = IgnoreRules(folder, _parse(lines), key, stamp)
        except OSError:
            rules = None
        self._rules[key] = rules
        return rules


def stamp_of(status: os.stat_result) -> Stamp:
    """Return what changes when a file's content does."""
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _parse(lines: Iterable[str]) -> tuple[IgnorePattern, ...]:
    """Compile the lines; comments and, as in git, lines that make no pattern are left out."""
    patterns = []
    for line in lines:
        line = line.rstrip("\r")
        line = line if line.endswith("\\ ") else line.rstrip(" ")
        try:
            pattern = GitIgnoreSpecPattern(line.removesuffix("/"))
        except ValueError:
            continue
        if pattern.regex is not None and pattern.include is not None:
            patterns.append(IgnorePattern(pattern.regex, not pattern.include, line.endswith("/")))
    return tuple(patterns)


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
