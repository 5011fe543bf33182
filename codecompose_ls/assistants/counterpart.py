"""The tests of a source file: where they are, or where they would be by the custom of the language."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from codecompose_ls.errors import InputError
from codecompose_ls.index.files import Admission

#: Folders of tests, beside the source file or at the workspace's root.
_FOLDERS = ("tests", "test", "__tests__", "spec")
#: What a test file is called, by language; the first is what a new one is called.
_NAMES = {
    "python": ("test_{stem}.py", "{stem}_test.py"),
    "typescript": ("{stem}.test.ts", "{stem}.spec.ts"),
    "typescriptreact": ("{stem}.test.tsx", "{stem}.spec.tsx"),
    "javascript": ("{stem}.test.js", "{stem}.spec.js"),
    "javascriptreact": ("{stem}.test.jsx", "{stem}.spec.jsx"),
    "go": ("{stem}_test.go",),
    "rust": ("{stem}_test.rs", "{stem}.rs"),
    "java": ("{stem}Test.java", "{stem}Tests.java"),
    "csharp": ("{stem}Tests.cs", "{stem}Test.cs"),
    "ruby": ("{stem}_spec.rb", "test_{stem}.rb", "{stem}_test.rb"),
}
#: Languages whose tests can be added at the end of a file.
APPENDS = ("python", "typescript", "typescriptreact", "javascript", "javascriptreact", "rust", "ruby")
#: Go's tests are in the package they test.
_BESIDE = ("go",)
_MOST_FOLDERS = 2000


@dataclass(frozen=True, slots=True)
class Counterpart:
    """A file of tests; `text` is None where there is none yet."""

    path: Path
    text: str | None = None

    @property
    def exists(self) -> bool:
        return self.text is not None


def find_counterpart(source: Path, root: Path | None, language: str, admission: Admission) -> Counterpart:
    """Return the tests of a source file (an absolute path).

    Raises `InputError` where they may not be read, or where a link leads out of the workspace.
    """
    found = _find(source, root, language, admission)
    homes = {os.path.realpath(home) for home in (root, source.parent) if home is not None}
    if not any(os.path.realpath(found.path).startswith(os.path.join(home, "")) for home in homes):
        raise InputError(f"{found.path} is left alone: a link leads out of the workspace")
    return found


def _find(source: Path, root: Path | None, language: str, admission: Admission) -> Counterpart:
    patterns = _NAMES.get(language, ("test_{stem}" + source.suffix,))
    if any(_is_like(source, pattern) for pattern in patterns):
        raise InputError(f"{source.name} holds tests itself")
    names = [pattern.format(stem=source.stem) for pattern in patterns]
    near = [source.parent, *(source.parent / folder for folder in _FOLDERS)]
    for folder in near:
        for name in names:
            if (folder / name).is_file() and folder / name != source:
                return _read(folder / name, admission)
    found = _below(root, names, source, admission) if root is not None else None
    if found is not None:
        return _read(found, admission)
    path = _home(source, root, language, near) / names[0]
    if reason := admission.misplaced(path):
        raise InputError(f"{path}: no tests can be written there: {reason}")
    return Counterpart(path)


def _is_like(source: Path, pattern: str) -> bool:
    before, after = pattern.split("{stem}")
    return source.name.startswith(before) and source.name.endswith(after) and (before + after) != source.suffix


def _below(root: Path, names: list[str], source: Path, admission: Admission) -> Path | None:
    """Look into the workspace's folders of tests; the file whose own folders are most like the source's wins."""
    found = []
    entered = 0
    for folder in (root / name for name in _FOLDERS):
        for place, folders, files in os.walk(folder):
            entered += 1
            if entered > _MOST_FOLDERS:
                break
            folders[:] = sorted(name for name in folders if not admission.skips(Path(place, name)))
            found += [Path(place, name) for name in names if name in files]
    about = set(source.parent.parts)
    return max(sorted(found), key=lambda path: len(about.intersection(path.parent.parts)), default=None)


def _home(source: Path, root: Path | None, language: str, near: list[Path]) -> Path:
    """Return the folder for a new file of tests."""
    if language in _BESIDE:
        return source.parent
    if language == "java" and "main" in source.parts:
        at = len(source.parts) - 1 - source.parts[::-1].index("main")
        return Path(*source.parts[:at], "test", *source.parts[at + 1 : -1])
    at_root = [root / folder for folder in _FOLDERS] if root is not None else []
    return next((folder for folder in (*near[1:], *at_root) if folder.is_dir()), source.parent)


def _read(path: Path, admission: Admission) -> Counterpart:
    if reason := admission.refusal(path):
        raise InputError(f"{path} is left alone: {reason}")
    try:
        return Counterpart(path, path.read_bytes().decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})") from error
