"""Releases from PyPI, through pip; `cpython` stands for the running interpreter's standard library."""

from __future__ import annotations

import email.parser
import platform
import re
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from scripts.corpus.licences import COPYLEFT, identify, permitted
from scripts.corpus.listing import Package
from scripts.corpus.refusal import Refused, refuse_licence
from scripts.corpus.release import Release, archive_files, endings, execute

#: Not a library, or not the interpreter's own.
_NOT_LIBRARY = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__"}
_NO_STATEMENT = ("UNKNOWN", "NONE", "LICENSE", "LICENSE.TXT")


def fetch(package: Package, folder: Path) -> Release:
    """Download without dependencies: a wheel, or the source distribution where there is no wheel."""
    if package.name == "cpython":
        return standard_library()
    wanted = f"{package.name}=={package.version}" if package.version else package.name
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-cache-dir", "-d", str(folder)]
    try:
        execute([*pip, "--only-binary", ":all:", wanted], cwd=folder)
    except Refused:
        execute([*pip, wanted], cwd=folder)
    archive = next(path for path in folder.iterdir() if path.suffix in (".whl", ".gz", ".zip", ".bz2"))
    return read(archive)


def read(archive: Path) -> Release:
    """Return what a wheel or a source distribution holds, paths as they are imported."""
    kept = endings("python", r"METADATA$", r"PKG-INFO$", r"(?i:licen[cs]e|copying)[^/]*$")
    found = dict(archive_files(archive, kept))
    is_wheel = archive.suffix == ".whl"
    metadata = [name for name in found if name.endswith(".dist-info/METADATA" if is_wheel else "PKG-INFO")]
    if not metadata:
        raise Refused("no metadata in the archive")
    text = found[min(metadata, key=len)].decode("utf-8", "replace")
    texts = [found[n].decode("utf-8", "replace") for n in sorted(found, key=len) if re.search("(?i)licen|copying", n)]
    prefix = r"^[^/]+\.data/(?:pure|plat)lib/" if is_wheel else r"^[^/]+/(?:src/)?"
    files = {re.sub(prefix, "", name): data for name, data in found.items() if name.endswith(".py")}
    version = email.parser.HeaderParser().parsestr(text).get("Version", "")
    return Release(version, licence(text, texts), files)


def standard_library() -> Release:
    """Return the running interpreter's library."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = (path.relative_to(root) for path in root.rglob("*.py"))
    files = {path.as_posix(): (root / path).read_bytes() for path in paths if not _NOT_LIBRARY & set(path.parts)}
    return Release(platform.python_version(), "PSF-2.0", files)


def licence(metadata: str, texts: Sequence[str]) -> str:
    """Return the licence by core metadata: License-Expression, else License field and classifiers, else the text.

    Raises Refused unless every one named is permissive.
    """
    fields = email.parser.HeaderParser().parsestr(metadata)
    if expression := fields.get("License-Expression"):
        return permitted(expression) or refuse_licence(expression)
    named = [c.rsplit("::", 1)[1].strip() for c in fields.get_all("Classifier", []) if c.startswith("License ::")]
    named = [name for name in named if name != "OSI Approved"]
    declared = (fields.get("License") or "").strip()
    if declared and declared.upper() not in _NO_STATEMENT and len(declared) < 200:
        named.append(declared)
    if not named:
        found = (spdx for spdx in map(identify, [declared, *texts]) if spdx)
        return next(found, None) or refuse_licence("unknown")
    known = [identify(name) for name in named]
    for name, spdx in zip(named, known, strict=True):
        if spdx is None and (COPYLEFT.search(name) or not any(known)):
            refuse_licence(name)
    first = next(spdx for spdx in known if spdx)
    is_bare_bsd = first == "BSD-3-Clause" and not any(re.search(r"3|new|modified", n, re.IGNORECASE) for n in named)
    by_text = (spdx for spdx in map(identify, texts) if is_bare_bsd and spdx and "BSD" in spdx)
    return next(by_text, first)
