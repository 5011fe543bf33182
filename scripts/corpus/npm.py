"""Releases from npm, through its client."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from scripts.corpus.licences import permitted
from scripts.corpus.listing import Package
from scripts.corpus.refusal import refuse_licence
from scripts.corpus.release import Release, archive_files, endings, execute

#: A src/ with fewer files than this is not where the sources are.
_MIN_SOURCES = 3


def fetch(package: Package, folder: Path) -> Release:
    """`npm pack`; where the package ships its sources in src/, only those and its tests."""
    wanted = f"{package.name}@{package.version}" if package.version else package.name
    execute(["npm", "pack", "--silent", "--ignore-scripts", wanted], cwd=folder)
    found = dict(archive_files(next(folder.glob("*.tgz")), endings("javascript", r"^[^/]+/package\.json$")))
    found = {name.split("/", 1)[1]: data for name, data in found.items()}
    manifest = json.loads(found.pop("package.json"))
    sources = {name: data for name, data in found.items() if re.match(r"(src|source|src\.ts|tests?)/", name)}
    main = [name for name in sources if not name.startswith("test")]
    return Release(manifest["version"], licence(manifest), sources if len(main) >= _MIN_SOURCES else found)


def licence(manifest: Mapping[str, object]) -> str:
    """Return the licence by package.json: a string, or the old object and list forms."""
    declared = manifest.get("license") or manifest.get("licenses") or "unknown"
    entries = declared if isinstance(declared, list) else [declared]
    names = [str(entry.get("type", "unknown")) if isinstance(entry, dict) else str(entry) for entry in entries]
    return permitted(" OR ".join(names)) or refuse_licence(", ".join(names))
