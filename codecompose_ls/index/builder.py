"""Builds the index of a folder, in a process of its own: `python -m codecompose_ls.index.builder ROOT [--ignore ...]`.

Says on stdout how it goes, as lines of JSON: {"phase": "reading" | "sorting" | "saving" | "done", "done": n, "all": n,
"left_out": n}. It ends when its stdin does, that is, with the process that started it; a failure is one line on stderr
and exit status 1, and what was kept before stays.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from codecompose_ls.index.lexemes import Ids, Vocabulary
from codecompose_ls.index.progress import Progress
from codecompose_ls.index.reading import Reader, Stamp
from codecompose_ls.index.segment import Files, Segment
from codecompose_ls.index.store import Index, Store

#: Code that is indexed at most: 50 MB are some 15 million lexemes, 120 MB on disk and 0.8 GB while they are sorted.
MAX_CODE_BYTES = 50_000_000
#: Progress is told as often as this much has been read anew.
_STEP_BYTES = 1_000_000
_DAY_NS = 86_400 * 10**9

Report = Callable[[Progress], None]


def build(
    root: Path, ignore: tuple[str, ...] = (), *, report: Report = lambda _: None, most_bytes: int = MAX_CODE_BYTES
) -> Index:
    """Bring the stored index of a folder up to date and return it. Raises `OSError` when it cannot be stored."""
    store, reader = Store(root, ignore), Reader(root, ignore)
    known = store.load()
    found, left_out = _chosen(reader.files(), most_bytes)
    rules = reader.rules()
    vocabulary, files = _read(reader, found, known, report)
    stamps = {path: found[path] for path, _ in files}
    if known and (known.stamps, known.left_out, known.rules) == (stamps, left_out, rules):
        index = known
    else:
        report(Progress("sorting", len(files), len(found), left_out))
        joined, vocabulary = _renumbered(Files.of(files), vocabulary)
        built = Index(vocabulary, Segment.build(joined), stamps, left_out, rules)
        report(Progress("saving", len(files), len(found), left_out))
        index = replace(built, folder=store.save(built))
        store.sweep()
    report(Progress("done", len(files), len(found), left_out))
    return index


def _chosen(files: Iterable[tuple[str, Stamp]], most_bytes: int) -> tuple[dict[str, Stamp], int]:
    """Return the files that there is room for, in their order, and how many there is none for.

    Those changed last come first, by the day since a clone changes all at one moment; then those nearest to the root.
    """
    found = dict(files)
    room, chosen = most_bytes, set()
    for path in sorted(found, key=lambda path: (-(found[path][0] // _DAY_NS), path.count("/"), path)):
        room -= found[path][1]
        if room < 0:
            break
        chosen.add(path)
    return {path: stamp for path, stamp in found.items() if path in chosen}, len(found) - len(chosen)


def _read(
    reader: Reader, found: dict[str, Stamp], known: Index | None, report: Report
) -> tuple[Vocabulary, list[tuple[str, Sequence[int] | Ids]]]:
    """Return the lexemes of every file that is for the index; those of files that have not changed are known."""
    vocabulary = known.vocabulary if known else Vocabulary()
    before = dict(known.segment.pieces()) if known else {}
    files: list[tuple[str, Sequence[int] | Ids]] = []
    unsaid = 0
    for number, (path, stamp) in enumerate(found.items()):
        if known and known.stamps.get(path) == stamp:
            files.append((path, before[path]))
        elif (text := reader.text(path)) is not None:
            files.append((path, vocabulary.encode(text)))
            unsaid += len(text)
        if unsaid >= _STEP_BYTES:
            unsaid = 0
            report(Progress("reading", number + 1, len(found)))
    return vocabulary, files


def _renumbered(files: Files, vocabulary: Vocabulary) -> tuple[Files, Vocabulary]:
    """Drop what is in no file any more from the vocabulary."""
    used = np.bincount(files.tokens, minlength=len(vocabulary)) > 0
    used[:3] = True
    numbers = (np.cumsum(used) - 1).astype(np.uint32)
    texts = [vocabulary.texts[number] for number in np.flatnonzero(used)]
    return Files(numbers[files.tokens], files.starts, files.paths), Vocabulary(texts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build for a parent that listens."""
    parser = argparse.ArgumentParser(prog="codecompose_ls.index.builder")
    parser.add_argument("root", type=Path)
    parser.add_argument("--ignore", action="append", default=[])
    parser.add_argument("--most-bytes", type=int, default=MAX_CODE_BYTES)
    args = parser.parse_args(arguments)
    if hasattr(os, "nice"):
        os.nice(10)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        build(args.root, tuple(args.ignore), report=_tell, most_bytes=args.most_bytes)
    except (OSError, MemoryError) as error:
        print(f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        return 1
    return 0


def _tell(progress: Progress) -> None:
    print(json.dumps(asdict(progress)), flush=True)


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    # At once, whatever is under way: nothing is visible before it is whole.
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
