"""`python -m scripts.corpus --output DIR`: fetch what the listing names and DIR does not hold yet.

A package that cannot be had, or whose own metadata shows no permissive licence, costs one line on stderr.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path, PurePosixPath

from scripts.corpus import debian, npm, pypi
from scripts.corpus.listing import ECOSYSTEMS, LISTING, Package, read_listing
from scripts.corpus.refusal import Refused
from scripts.corpus.selection import Unseen, select

DOWNLOADS_AT_ONCE = 4
FETCHERS = {"pypi": pypi.fetch, "npm": npm.fetch, "debian": debian.fetch}


def store(package: Package, output: Path, unseen: Unseen) -> dict[str, object]:
    """Fetch, choose and write one package, which appears under its name only when complete; return its record."""
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=output) as scratch:
        download, tree = Path(scratch, "download"), Path(scratch, "tree")
        download.mkdir()
        release = FETCHERS[package.ecosystem](package, download)
        files = select(release.files, language=package.language, unseen=unseen, limit=package.max_mb * 1e6)
        if not files:
            raise Refused("no source files of its own in the archive")
        for path, data in files.items():
            if ".." in PurePosixPath(path).parts or path.startswith("/"):
                raise Refused(f"a path that leaves the package: {path}")
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(data)
        target = place(package, output)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(tree, target)
    return {
        "ecosystem": package.ecosystem,
        "name": package.name,
        "version": release.version,
        "licence": release.licence,
        "language": package.language,
        "held_out": package.held_out,
        "files": len(files),
        "bytes": sum(map(len, files.values())),
    }


def place(package: Package, output: Path) -> Path:
    """Return the folder of a package."""
    return output / ("heldout" if package.held_out else "train") / package.ecosystem / package.name


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.corpus",
        description="Fetch the training corpus named in docs/training-data.toml.",
        epilog="example: python -m scripts.corpus --output corpus httpx flask lodash",
    )
    parser.add_argument("names", nargs="*", metavar="PACKAGE", help="fetch these packages of the listing, not all")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="receives train/ and heldout/")
    parser.add_argument("--only", choices=ECOSYSTEMS, help="fetch one ecosystem")
    options = parser.parse_args(arguments)
    try:
        listing = read_listing(LISTING)
        if unknown := set(options.names) - {package.name for package in listing.packages}:
            raise Refused(f"not in {LISTING.name}: {', '.join(sorted(unknown))}")
        options.output.mkdir(parents=True, exist_ok=True)
    except (OSError, Refused) as error:
        print(f"corpus: {error}", file=sys.stderr)
        return 2
    output = options.output.resolve()
    todo = [
        package
        for package in listing.packages
        if options.only in (None, package.ecosystem)
        and (not options.names or package.name in options.names)
        and not place(package, output).exists()
    ]
    copies = [package.name for package in listing.packages if package.held_out]
    unseen = {True: Unseen.of(listing.excluded), False: Unseen.of(listing.excluded, copies=copies)}
    fetch_all(todo, output, unseen)
    return 0


def fetch_all(todo: Sequence[Package], output: Path, unseen: dict[bool, Unseen]) -> None:
    """Fetch several packages at once, a line on stderr and a record for each; `unseen` is by `held_out`."""
    size = refused = 0
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool, (output / "packages.jsonl").open("a") as records:
        running = {pool.submit(store, package, output, unseen[package.held_out]): package for package in todo}
        for done, future in enumerate(as_completed(running), 1):
            package = running[future]
            try:
                record = future.result()
                size += int(str(record["bytes"]))
                print(json.dumps(record), file=records, flush=True)
                note = f"{int(str(record['bytes'])) / 1e6:.2f} MB, {record['licence']}"
            except Exception as error:  # one broken archive must not end a run of hundreds
                refused += 1
                note = f"left out: {error if isinstance(error, Refused) else f'{type(error).__name__}: {error}'}"
            where = f"[{done}/{len(todo)}] {size / 1e6:.1f} MB  {package.ecosystem}/{package.name}"
            print(f"{where}: {note}", file=sys.stderr)
    print(f"corpus: {size / 1e6:.1f} MB new, {refused} of {len(todo)} left out", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
