"""The corpus: folders of source code, or one packed file of them, as filtered documents.

Each folder given is one package; a document's path is relative to it, as a user's path is relative to the repository.
A packed corpus is xz-compressed JSON lines, made by `write_pack` and read in place of folders on another machine.
"""

from __future__ import annotations

import json
import lzma
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO, cast

from tqdm import tqdm

from codecompose_ls.errors import InputError
from codecompose_ls.languages import language_of
from codecompose_ls.tuning.atomic_file import atomic_file
from codecompose_ls.tuning.duplicates import DuplicateIndex, Signature, signature
from codecompose_ls.tuning.filters import MAX_CHARACTERS, reason_to_drop

PACK_SUFFIX = ".jsonl.xz"
#: Folders that never hold a project's own source.
SKIPPED_FOLDERS = frozenset(
    {"node_modules", "__pycache__", "build", "dist", "vendor", "_vendor", "third_party", "site-packages"}
)


@dataclass(frozen=True, slots=True)
class Document:
    """One source file: `path` inside its package, LSP language id, and text with `\\n` line ends."""

    package: str
    path: str
    language: str
    text: str


@dataclass(slots=True)
class FilterReport:
    """How many files each filter dropped, and what stayed."""

    dropped: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)

    def keep(self, document: Document) -> None:
        """Count a document that stays."""
        self.files[document.language] += 1
        self.characters[document.language] += len(document.text)

    def add(self, other: FilterReport) -> None:
        """Count what another report counted."""
        for mine, theirs in (
            (self.dropped, other.dropped),
            (self.files, other.files),
            (self.characters, other.characters),
        ):
            mine.update(theirs)

    def table(self) -> str:
        """Return the summary as aligned lines: what stayed by language, what was dropped by filter."""
        lines = [f"{'kept':<24}{'files':>8}{'million characters':>20}"]
        lines += [f"{name:<24}{self.files[name]:>8}{n / 1e6:>20.2f}" for name, n in self.characters.most_common()]
        lines += [f"{'dropped':<24}{'files':>8}"]
        lines += [f"{name:<24}{n:>8}" for name, n in self.dropped.most_common()]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents in a fixed order, and how they were chosen."""

    documents: tuple[Document, ...]
    report: FilterReport

    @property
    def languages(self) -> list[str]:
        """The languages present, largest first."""
        return [name for name, _ in self.report.characters.most_common()]


def read_corpus(sources: Sequence[Path], *, exclude: Iterable[Document] = (), progress: bool = True) -> Corpus:
    """Read packages (folders) and packed corpora (files), filter them and drop near-duplicates.

    Documents near to one of `exclude` (the held-out files) are dropped as well. Raises InputError where a source
    is missing or nothing is left.
    """
    for source in sources:
        if not source.exists():
            raise InputError(f"no such folder or packed corpus: {source}")
        if source.is_file() and not source.name.endswith(PACK_SUFFIX):
            raise InputError(f"{source} is neither a folder nor a packed corpus (*{PACK_SUFFIX})")
    report = FilterReport()
    documents: list[Document] = []
    for pack in (read_pack(source) for source in sources if source.is_file()):
        documents += pack.documents
        report.add(pack.report)
    folders = [source for source in sources if source.is_dir()]
    if folders:
        documents += _read_folders(folders, report, exclude=exclude, progress=progress)
    if not documents:
        raise InputError(f"no source code left to learn from in {', '.join(map(str, sources[:3]))}")
    return Corpus(tuple(documents), report)


def write_pack(corpus: Corpus, target: Path) -> None:
    """Write the documents as xz-compressed JSON lines; the file appears whole or not at all."""
    if not target.name.endswith(PACK_SUFFIX):
        raise InputError(f"a packed corpus ends in {PACK_SUFFIX}: {target}")
    with atomic_file(target) as partial, _pack(partial, "wt", preset=2) as out:
        out.write(json.dumps({"dropped": corpus.report.dropped}) + "\n")
        for document in corpus.documents:
            out.write(json.dumps(asdict(document), ensure_ascii=False) + "\n")


def read_pack(source: Path) -> Corpus:
    """Read what `write_pack` wrote."""
    report, documents = FilterReport(), []
    try:
        with _pack(source, "rt", newline="\n") as lines:
            for fields in map(json.loads, lines):
                if "dropped" in fields:
                    report.dropped.update(fields["dropped"])
                else:
                    documents.append(Document(**fields))
                    report.keep(documents[-1])
            return Corpus(tuple(documents), report)
    except (lzma.LZMAError, EOFError, ValueError, TypeError) as error:
        raise InputError(f"{source} is not a packed corpus, or is cut short ({error})") from error


def _pack(path: Path, mode: Literal["rt", "wt"], **options: Any) -> TextIO:
    # A path may be no text that UTF-8 knows; all else is.
    return cast(TextIO, lzma.open(path, mode, encoding="utf-8", errors="surrogatepass", **options))


def source_files(folder: Path) -> Iterator[Path]:
    """Yield the source files below a folder in sorted order; hidden, vendored and linked ones are left out."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in SKIPPED_FOLDERS)
        for name in sorted(names):
            path = Path(root, name)
            if language_of(name) and not path.is_symlink():
                yield path


def source_text(raw: bytes) -> str:
    """Return a file's text with `\\n` line ends and no byte order mark; raises UnicodeDecodeError."""
    return raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def _read_folders(
    folders: Sequence[Path], report: FilterReport, *, exclude: Iterable[Document], progress: bool
) -> Iterator[Document]:
    tasks = [(folder, path) for folder in folders for path in source_files(folder)]
    index = DuplicateIndex()
    for document in exclude:
        index.add(signature(document.text))
    seen: set[str] = set()
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = pool.map(_read_file, tasks, chunksize=64) if len(tasks) > 500 else map(_read_file, tasks)
        for document, reason, marks in tqdm(results, "reading", total=len(tasks), unit=" files", disable=not progress):
            if document is not None and document.text in seen:
                reason = "exact duplicate"
            elif document is not None and marks is not None and not index.add(marks):
                reason = "near-duplicate"
            if document is None or reason is not None:
                report.dropped[reason or "unreadable"] += 1
                continue
            seen.add(document.text)
            report.keep(document)
            yield document


def _read_file(task: tuple[Path, Path]) -> tuple[Document | None, str | None, Signature | None]:
    """Read and filter one file (in a worker process): a document and its signature, or the reason to drop it."""
    folder, path = task
    try:
        raw = path.read_bytes()
    except OSError:
        return None, "unreadable", None
    if len(raw) > 4 * MAX_CHARACTERS:
        return None, "wrong size", None
    try:
        text = source_text(raw)
    except UnicodeDecodeError:
        return None, "not UTF-8", None
    name = path.relative_to(folder).as_posix()
    if reason := reason_to_drop(name, text):
        return None, reason, None
    language = language_of(name) or ""
    return Document(folder.name, name, language, text), None, signature(text)
