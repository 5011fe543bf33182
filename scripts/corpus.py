#!/usr/bin/env python3
"""Fetch the training corpus that docs/training-data.toml names: permissively licensed source code, by package.

Contract: `python scripts/corpus.py --output DIR [--only pypi|npm|debian]` leaves DIR/train/ECOSYSTEM/PACKAGE/... and
DIR/heldout/ECOSYSTEM/PACKAGE/... with source files at their original relative paths, and one line per package in
DIR/packages.jsonl. A package that is there already is skipped; one that cannot be had, or whose own metadata does not
show a permissive licence, costs one line on stderr and nothing else. Standard library only, so it runs anywhere.
"""

from __future__ import annotations

import argparse
import email.parser
import fnmatch
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LISTING = Path(__file__).resolve().parent.parent / "docs" / "training-data.toml"
FILE_BYTES = 200_000
TEST_SHARE = 0.25
DOWNLOADS_AT_ONCE = 4

SUFFIXES = {
    "python": (".py",),
    "javascript": (".js", ".mjs", ".ts", ".mts"),
    "go": (".go",),
    "rust": (".rs",),
    "java": (".java",),
    "c": (".c", ".h"),
    "cpp": (".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx", ".ipp"),
}


class Refused(Exception):
    """The package stays out; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Package:
    """One entry of the listing; `source` asks for a Debian source package, `max_mb` is the most we take."""

    ecosystem: str
    name: str
    language: str
    max_mb: float
    licence: str = ""
    held_out: bool = False
    source: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """What was downloaded: the licence it declares, and its files by relative path."""

    version: str
    licence: str
    files: dict[str, bytes]


def is_held_out(name: str) -> bool:
    """One package in ten, by a hash that never changes: decided by the name alone."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10 == 0


def read_listing(path: Path) -> tuple[list[Package], list[str]]:
    """Return the packages of the listing and the names that no file may import; Refused where it is wrong."""
    listing = tomllib.loads(path.read_text(encoding="utf-8"))
    excluded = [name for names in listing["excluded_domains"].values() for name in names]
    languages = {"pypi": "python", "npm": "javascript"}
    packages = []
    for ecosystem in ("pypi", "npm", "debian"):
        for name, fields in listing[ecosystem].items():
            defaults = {"language": languages.get(ecosystem), "max_mb": listing["max_mb"][ecosystem]}
            package = Package(ecosystem, name, **{**defaults, **fields})
            if name in excluded:
                raise Refused(f"{path.name}: {name} belongs to an excluded domain; remove it from [{ecosystem}]")
            if package.held_out != is_held_out(name):
                raise Refused(f"{path.name}: {name}: held_out must be {str(is_held_out(name)).lower()}")
            packages.append(package)
    return packages, excluded


# --- Licences -------------------------------------------------------------------------------------------------------

COPYLEFT = re.compile(
    r"\b[AL]?GPL|GNU\b|General Public|Mozilla|\bMPL\b|\bEPL|Eclipse|\bEUPL|\bCDDL|\bOSL\b|SSPL|BUSL|Business Source"
    r"|Creative Commons Attribution|CC-BY|Proprietary|Commercial|Non-?Commercial|Artistic",
    re.IGNORECASE,
)
PERMISSIVE = (
    (r"apache.{0,30}\b2|^apache$|^apache software license$|^apache license$|^asl 2", "Apache-2.0"),
    (r"bsd.{0,3}2|2.clause|simplified bsd|freebsd", "BSD-2-Clause"),
    (r"\b0bsd|zero.clause", "0BSD"),
    (r"bsd", "BSD-3-Clause"),
    (r"mit-0\b|mit no attribution", "MIT-0"),
    (r"mit-cmu|hpnd|historical permission", "MIT-CMU"),
    (r"\bmit\b|\bexpat\b|\bx11\b", "MIT"),
    (r"\bisc\b|\biscl\b", "ISC"),
    (r"python software foundation|\bpsf|python-2\.0|^python$", "PSF-2.0"),
    (r"\bbsl-1|boost", "BSL-1.0"),
    (r"zlib|libpng", "Zlib"),
    (r"unlicense\b", "Unlicense"),
    (r"cc0", "CC0-1.0"),
    (r"public.domain|\bblessing\b", "LicenseRef-public-domain"),
    (r"^curl\b", "curl"),
    (r"^postgresql", "PostgreSQL"),
)
TEXTS = (
    ("permission is hereby granted, free of charge, to any person obtaining", "MIT"),
    ("neither the name", "BSD-3-Clause"),
    ("redistribution and use in source and binary forms", "BSD-2-Clause"),
    ("apache license version 2.0", "Apache-2.0"),
    ("licensed under the apache license, version 2.0", "Apache-2.0"),
    ("distribute this software for any purpose with or without fee", "ISC"),
    ("python software foundation license", "PSF-2.0"),
    ("boost software license", "BSL-1.0"),
    ("this is free and unencumbered software", "Unlicense"),
)


def identify(text: str) -> str | None:
    """The SPDX identifier of a licence given by name or by its whole text; None when it is not a permissive one."""
    words = " ".join(text.split())
    if len(words) > 200:
        if re.search(r"GNU (?:\w+ )?General Public|Mozilla Public|Creative Commons Attribution", words, re.IGNORECASE):
            return None
        return next((spdx for phrase, spdx in TEXTS if phrase in words.lower()), None)
    if COPYLEFT.search(words):
        return None
    return next((spdx for pattern, spdx in PERMISSIVE if re.search(pattern, words, re.IGNORECASE)), None)


def permitted(expression: str) -> str | None:
    """The permissive part of a licence expression ("MIT OR GPL-2.0" is MIT; "MIT AND GPL-2.0" is None).

    Reads SPDX (Annex D) and Debian's copyright format 1.0 (section 7.2); AND binds tighter than OR.
    """
    tokens = [
        token.strip().lower() if token.strip().lower() in ("and", "or") else token.strip()
        for token in re.split(r"([()])|\b(and|or)\b(?!-)", expression.replace(",", " "), flags=re.IGNORECASE)
        if token and token.strip()
    ]

    def either() -> str | None:
        sides = [both()]
        while tokens and tokens[0] == "or":
            tokens.pop(0)
            sides.append(both())
        return " OR ".join(dict.fromkeys(side for side in sides if side)) or None

    def both() -> str | None:
        sides = [leaf()]
        while tokens and tokens[0] == "and":
            tokens.pop(0)
            sides.append(leaf())
        return None if None in sides else " AND ".join(dict.fromkeys(side for side in sides if side))

    def leaf() -> str | None:
        token = tokens.pop(0) if tokens else ""
        if token != "(":
            return identify(re.split(r"\bwith\b", token, flags=re.IGNORECASE)[0])
        inside = either()
        if tokens:
            tokens.pop(0)
        return f"({inside})" if inside and " OR " in inside else inside

    found = either()
    return found[1:-1] if found and found.startswith("(") and found.find(")") == len(found) - 1 else found


def python_licence(metadata: str, texts: Sequence[str]) -> str:
    """Licence by core metadata: License-Expression, then the License field and classifiers, then the licence file."""
    fields = email.parser.HeaderParser().parsestr(metadata)
    expression = fields.get("License-Expression")
    if expression:
        return permitted(expression) or refuse(expression)
    named = [c.rsplit("::", 1)[1].strip() for c in fields.get_all("Classifier", []) if c.startswith("License ::")]
    named = [name for name in named if name != "OSI Approved"]
    declared = (fields.get("License") or "").strip()
    if declared and declared.upper() not in ("UNKNOWN", "NONE", "LICENSE", "LICENSE.TXT") and len(declared) < 200:
        named.append(declared)
    if named:
        found = [identify(name) for name in named]
        for name, spdx in zip(named, found, strict=True):
            if spdx is None and (COPYLEFT.search(name) or not any(found)):
                refuse(name)
        spdx = next(spdx for spdx in found if spdx)
        bare = spdx == "BSD-3-Clause" and not any(re.search(r"3|new|modified", name, re.IGNORECASE) for name in named)
        return next((found for found in map(identify, texts) if bare and found and "BSD" in found), spdx)
    return next((spdx for spdx in map(identify, [declared, *texts]) if spdx), None) or refuse("unknown")


def npm_licence(manifest: dict[str, object]) -> str:
    """Licence by package.json: a string, or the old object and list forms."""
    declared = manifest.get("license") or manifest.get("licenses") or "unknown"
    entries = declared if isinstance(declared, list) else [declared]
    names = [str(entry.get("type", "unknown")) if isinstance(entry, dict) else str(entry) for entry in entries]
    return permitted(" OR ".join(names)) or refuse(", ".join(names))


def debian_licence(copyright_file: str) -> tuple[str, list[str]]:
    """Licence of the bulk of a Debian package, and the file patterns in it that are under another kind of licence.

    A short name that is Debian's own ("Go", "NCSA-like") is judged by the text that the file gives for it.
    """
    blocks = re.split(r"\n\s*\n", copyright_file)
    paragraphs = [email.parser.HeaderParser().parsestr(block.lstrip("\n")) for block in blocks]
    texts: dict[str, str] = {}
    for fields in paragraphs:
        name, _, text = (fields.get("License") or "unknown").strip().partition("\n")
        texts[name] = texts.get(name) or text
    main, refused = None, []
    for fields in paragraphs:
        patterns = (fields.get("Files") or "").replace(",", " ").split()
        patterns = [pattern for pattern in patterns if not pattern.startswith(("debian/", "./debian"))]
        if not patterns:
            continue
        name = (fields.get("License") or "unknown").strip().split("\n")[0]
        spdx = permitted(name) or (None if COPYLEFT.search(name) else identify(texts[name] or "unknown"))
        if main is None or "*" in patterns:
            main = spdx or refuse(name)
        if spdx is None:
            refused += patterns
    return main or refuse("no machine-readable copyright file"), refused


def refuse(licence: str) -> str:
    """Never returns: a licence that is not permissive, or not known, keeps the package out."""
    raise Refused(f"licence not permissive: {' '.join(licence.split())[:80]}")


# --- Fetching -------------------------------------------------------------------------------------------------------


def execute(command: Sequence[str], *, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a package client at low priority; its last words become the refusal when it fails."""
    done = subprocess.run(
        ["nice", *command], cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        reason = next((line for line in lines if re.match(r"ERROR|E:|npm error", line)), lines[0])
        raise Refused(f"{Path(command[0]).name} failed: {reason[:120]}")
    return done.stdout


def archive_files(path: Path, wanted: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    """Yield (path in the archive, content) of the regular files of a wheel, a tar or a .deb that `wanted` matches."""
    if path.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(path) as wheel:
            for name in wheel.namelist():
                if wanted.search(name):
                    yield name, wheel.read(name)
        return
    stream = None
    if path.suffix == ".deb":
        unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], capture_output=True, check=True)
        stream = io.BytesIO(unpacked.stdout)
    with tarfile.open(None if stream else path, fileobj=stream) as archive:
        for member in archive:
            if member.isfile() and wanted.search(member.name):
                content = archive.extractfile(member)
                if content is not None:
                    yield member.name.removeprefix("./"), content.read()


def endings(language: str, *others: str) -> re.Pattern[str]:
    """Match paths that end as a source file of the language does, or as one of the `others` (regular expressions)."""
    return re.compile("|".join([re.escape(suffix) + "$" for suffix in SUFFIXES[language]] + list(others)))


def standard_library() -> Release:
    """The running interpreter's library, without what is not a library or not its own."""
    root = Path(sysconfig.get_path("stdlib"))
    outside = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__"}
    paths = (path.relative_to(root) for path in root.rglob("*.py"))
    files = {path.as_posix(): (root / path).read_bytes() for path in paths if not outside & set(path.parts)}
    return Release(".".join(map(str, sys.version_info[:3])), "PSF-2.0", files)


def fetch_pypi(package: Package, folder: Path) -> Release:
    """`pip download` without dependencies: the newest wheel, or the source distribution where there is no wheel."""
    if package.name == "cpython":
        return standard_library()
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-cache-dir", "-d", str(folder)]
    try:
        execute([*pip, "--only-binary", ":all:", package.name], cwd=folder)
    except Refused:
        execute([*pip, package.name], cwd=folder)
    archive = next(path for path in folder.iterdir() if path.suffix in (".whl", ".gz", ".zip", ".bz2"))
    wanted = endings("python", r"METADATA$", r"PKG-INFO$", r"(?i:licen[cs]e|copying)[^/]*$")
    found = dict(archive_files(archive, wanted))
    wheel = archive.suffix == ".whl"
    metadata = [name for name in found if name.endswith(".dist-info/METADATA" if wheel else "PKG-INFO")]
    if not metadata:
        raise Refused("no metadata in the archive")
    text = found[min(metadata, key=len)].decode("utf-8", "replace")
    texts = [found[n].decode("utf-8", "replace") for n in sorted(found, key=len) if re.search("(?i)licen|copying", n)]
    prefix = r"^[^/]+\.data/(?:pure|plat)lib/" if wheel else r"^[^/]+/(?:src/)?"
    files = {re.sub(prefix, "", name): data for name, data in found.items() if name.endswith(".py")}
    version = email.parser.HeaderParser().parsestr(text).get("Version", "")
    return Release(version, python_licence(text, texts), files)


def fetch_npm(package: Package, folder: Path) -> Release:
    """`npm pack`; where the package ships its sources in src/, only those and its tests."""
    execute(["npm", "pack", "--silent", "--ignore-scripts", package.name], cwd=folder)
    found = dict(archive_files(next(folder.glob("*.tgz")), endings("javascript", r"^[^/]+/package\.json$")))
    found = {name.split("/", 1)[1]: data for name, data in found.items()}
    manifest = json.loads(found.pop("package.json"))
    sources = {name: data for name, data in found.items() if re.match(r"(src|source|src\.ts|tests?)/", name)}
    main = {name for name in sources if not name.startswith("test")}
    return Release(manifest["version"], npm_licence(manifest), sources if len(main) >= 3 else found)


def fetch_debian(package: Package, folder: Path) -> Release:
    """`apt-get download` of a -dev package, or the upstream archive of `apt-get source`, from the suite we run on."""
    env = {"APT_CONFIG": str(private_apt())}
    verb = ["source", "--download-only", "--only-source"] if package.source else ["download"]
    execute(["apt-get", "-qq", *verb, package.name], cwd=folder, env=env)
    wanted = endings(package.language, r"(^|/)copyright$")
    found: dict[str, bytes] = {}
    for archive in sorted(path for path in folder.iterdir() if re.search(r"\.(deb|tar\.\w+)$", path.name)):
        if package.source:
            tree = dict(archive_files(archive, wanted))
            packaging = ".debian.tar" in archive.name or ".orig-" in archive.name
            found.update(tree if packaging else {name.split("/", 1)[-1]: data for name, data in tree.items()})
        else:
            found.update(archive_files(archive, wanted))
            version = archive.name.split("_")[1]
    if package.source:
        version = next(folder.glob("*.dsc")).name.split("_", 1)[1].removesuffix(".dsc")
    where = "debian/copyright" if package.source else f"usr/share/doc/{package.name}/copyright"
    if where not in found:
        raise Refused("no copyright file")
    licence, refused = debian_licence(found[where].decode("utf-8", "replace"))
    installed = r"^usr/(share/gocode/src|share/cargo/registry|share/go-[^/]+/src|include)/"
    files = {re.sub(installed, "", name): data for name, data in found.items() if not name.endswith("/copyright")}
    files = {
        name: data
        for name, data in files.items()
        if not any(fnmatch.fnmatch(f"/{name}", f"*/{pattern.removeprefix('./')}") for pattern in refused)
    }
    return Release(version, licence, files)


_apt_lock = threading.Lock()
_apt_folder: list[Path] = []


def private_apt() -> Path:
    """An apt configuration of our own with source packages too, made once a run; the system's stays as it is."""
    with _apt_lock:
        if _apt_folder:
            return _apt_folder[0] / "apt.conf"
        root = Path(tempfile.mkdtemp(prefix="corpus-apt-"))
        for name in ("lists/partial", "cache/archives/partial"):
            (root / name).mkdir(parents=True)
        (root / "status").touch()
        targets = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"],
            capture_output=True, text=True, check=True,
        ).stdout.splitlines()  # fmt: skip
        suite = re.search(r"VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text()).group(1)  # type: ignore[union-attr]
        mirror = next((line.split()[0] for line in targets if line.split()[1] == suite), None)
        if mirror is None:
            raise Refused(f"apt knows no mirror of {suite}: run apt-get update once")
        keys = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg"
        lines = [f"{kind} [{keys}] {mirror} {suite} main\n" for kind in ("deb", "deb-src")]
        (root / "sources.list").write_text("".join(lines))
        (root / "apt.conf").write_text(
            f'Dir::State "{root}"; Dir::State::Lists "{root}/lists"; Dir::State::status "{root}/status";\n'
            f'Dir::Cache "{root}/cache"; Dir::Etc::sourcelist "{root}/sources.list";\n'
            'Dir::Etc::sourceparts "/dev/null"; Dir::Etc::preferencesparts "/dev/null";\n'
            'APT::Sandbox::User "root"; Acquire::Languages "none";\n'
        )
        execute(["apt-get", "update", "-qq"], cwd=root, env={"APT_CONFIG": str(root / "apt.conf")})
        _apt_folder.append(root)
        return root / "apt.conf"


FETCHERS = {"pypi": fetch_pypi, "npm": fetch_npm, "debian": fetch_debian}

# --- Choosing files -------------------------------------------------------------------------------------------------

VENDORED = {
    *("_vendor", "_vendored", "vendor", "vendored", "third_party", "third-party", "thirdparty", "node_modules"),
    *("external", "externals", "_external", "extern", "_extern", "bundled", "_bundled", "deps"),
}
FIXTURES = {"testdata", "test_data", "test-data", "fixture", "fixtures", "snapshots", "__snapshots__", "golden"}
BUILT = {
    *("dist", "build", "bundle", "bundles", "min", "out", "umd", "cjs", "_cjs", "esm", "_esm", "lib.esm", "es", "es5"),
}
TESTS = {"test", "tests", "testing", "spec", "specs", "__tests__", "unittests"}
GENERATED_NAME = re.compile(
    r"_pb2(_grpc)?\.py$|\.pb(\.gw)?\.(go|h|cc)$|\.d\.m?ts$|[.-]min\.m?js$|(^|/)(zz_generated|_sysconfigdata)"
)
GENERATED = re.compile(
    r"generated by|generated from|do not edit|auto-?generated|automatically generated|__esModule", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Unseen:
    """What training must not see: imports of the excluded domains, and copies of held-out packages inside others."""

    imports: re.Pattern[str]
    domains: frozenset[str] = frozenset()
    copies: frozenset[str] = frozenset()


def is_test(path: str) -> bool:
    """Is the file a test, by its folder or by its name?"""
    parts = PurePosixPath(path.lower())
    return bool(TESTS & set(parts.parts)) or bool(re.search(r"^test_|_tests?\.|\.(test|spec)\.", parts.name))


def wanted_path(path: str, *, language: str, unseen: Unseen) -> bool:
    """Is the file the package's own source, by its path: not vendored, not a fixture, not built, not generated?

    Below the top folder, the name of an unseen package marks a copy of it, or what was written for it.
    """
    parts = PurePosixPath(path.lower())
    folders, inner = set(parts.parts[:-1]), {part.lstrip("_") for part in parts.parts[1:-1]}
    stem = {parts.stem} if len(parts.parts) > 1 else set()
    return (
        path.endswith(SUFFIXES[language])
        and not folders & (VENDORED | FIXTURES | (BUILT if language == "javascript" else {"debian"}))
        and not inner & unseen.domains
        and not (inner | stem) & unseen.copies
        and not GENERATED_NAME.search(path)
    )


def wanted_text(data: bytes, *, imports: re.Pattern[str]) -> bool:
    """Is the content hand-written UTF-8 of a sensible size with none of the `imports` that are to stay unseen?"""
    if not 1 <= len(data) <= FILE_BYTES:
        return False
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    lines = text.splitlines()
    minified = len(text) > 200 * max(1, len(lines))
    compiled = "//# sourceMappingURL=" in text[-300:]
    return not (minified or compiled or "\0" in text or GENERATED.search(text[:1000]) or imports.search(text))


def imports_of(names: Sequence[str]) -> re.Pattern[str]:
    """Match an import, in Python or JavaScript, of one of the packages or of an extension of it (`langchain_core`)."""
    script = "|".join(re.escape(name) for name in names)
    python = "|".join(re.escape(name.replace("-", "_")) for name in names if "/" not in name)
    return re.compile(
        rf"^\s*(?:from|import)\s+(?:{python})(?:_\w+)?(?:\.|\s|$)"
        rf"|(?:\bfrom|\brequire\(|\bimport\(?)\s*[\"'](?:{script})(?:[-/][^\"']*)?[\"']",
        re.MULTILINE,
    )


def folders_of(names: Sequence[str]) -> frozenset[str]:
    """The folder names that a copy of a package, or an integration with it, would have."""
    return frozenset(form for name in names for form in (name.lower(), name.lower().replace("-", "_")))


def take(files: dict[str, bytes], budget: float) -> dict[str, bytes]:
    """Whole files up to `budget` bytes, in the order of a hash of their paths: a fair and stable sample."""
    chosen: dict[str, bytes] = {}
    for path in sorted(files, key=lambda path: hashlib.sha256(path.encode()).digest()):
        if len(files[path]) <= budget:
            chosen[path] = files[path]
            budget -= len(files[path])
    return chosen


def select(files: dict[str, bytes], *, language: str, unseen: Unseen, limit: float) -> dict[str, bytes]:
    """The files worth keeping, at most `limit` bytes of them, of which at most a quarter are tests."""
    kept = {
        path: data
        for path, data in files.items()
        if wanted_path(path, language=language, unseen=unseen) and wanted_text(data, imports=unseen.imports)
    }
    code = {path: data for path, data in kept.items() if not is_test(path)}
    size = sum(map(len, code.values()))
    tests = take(
        {path: data for path, data in kept.items() if path not in code},
        min(size * TEST_SHARE / (1 - TEST_SHARE), limit * TEST_SHARE),
    )
    code = take(code, limit - sum(map(len, tests.values())))
    code_bytes = sum(map(len, code.values()))
    return {**code, **take(tests, code_bytes * TEST_SHARE / (1 - TEST_SHARE))}


# --- The command ----------------------------------------------------------------------------------------------------


def store(package: Package, output: Path, unseen: Unseen) -> dict[str, object]:
    """Fetch, choose and write one package; it appears under its name only when it is complete."""
    target = output / ("heldout" if package.held_out else "train") / package.ecosystem / package.name
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=output) as scratch:
        download, tree = Path(scratch, "download"), Path(scratch, "tree")
        download.mkdir()
        release = FETCHERS[package.ecosystem](package, download)
        files = select(release.files, language=package.language, unseen=unseen, limit=package.max_mb * 1e6)
        if not files:
            raise Refused("no source files of its own in the archive")
        for path, data in files.items():
            place = tree / path
            if ".." in PurePosixPath(path).parts or path.startswith("/"):
                raise Refused(f"a path that leaves the package: {path}")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(tree, target)
    return {
        "ecosystem": package.ecosystem, "name": package.name, "version": release.version, "licence": release.licence,
        "language": package.language, "held_out": package.held_out,
        "files": len(files), "bytes": sum(map(len, files.values())),
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Fetch the training corpus named in docs/training-data.toml.",
        epilog="example: python scripts/corpus.py --output corpus --only pypi",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder that receives train/ and heldout/")
    parser.add_argument("--only", choices=list(FETCHERS), help="fetch one ecosystem")
    parser.add_argument("--listing", type=Path, default=LISTING, help="another list of packages")
    options = parser.parse_args(arguments)
    try:
        packages, excluded = read_listing(options.listing)
        options.output.mkdir(parents=True, exist_ok=True)
    except (OSError, tomllib.TOMLDecodeError, Refused) as error:
        print(f"corpus: {error}", file=sys.stderr)
        return 2
    imports = imports_of(excluded)
    domains, copies = folders_of(excluded), folders_of([package.name for package in packages if package.held_out])
    unseen = {True: Unseen(imports, domains), False: Unseen(imports, domains, copies)}
    output = options.output.resolve()
    todo = [
        package
        for package in packages
        if options.only in (None, package.ecosystem)
        and not any((output / part / package.ecosystem / package.name).exists() for part in ("train", "heldout"))
    ]
    print(f"corpus: {len(todo)} packages to fetch, the rest is there", file=sys.stderr)
    total, refused = 0, []
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool, (output / "packages.jsonl").open("a") as record:
        running = {pool.submit(store, package, output, unseen[package.held_out]): package for package in todo}
        for done, future in enumerate(as_completed(running), 1):
            package = running[future]
            try:
                row = future.result()
                total += int(str(row["bytes"]))
                print(json.dumps(row), file=record, flush=True)
                note = f"{int(str(row['bytes'])) / 1e6:.2f} MB, {row['licence']}"
            except Refused as reason:
                note = f"left out: {reason}"
                refused.append(f"{package.name}: {reason}")
            except Exception as error:  # one broken archive must not end a run of hundreds
                note = f"left out: {type(error).__name__}: {error}"
                refused.append(f"{package.name}: {error}")
            where = f"[{done}/{len(todo)}] {total / 1e6:.1f} MB  {package.ecosystem}/{package.name}"
            print(f"{where}: {note}", file=sys.stderr)
    for folder in _apt_folder:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"corpus: {total / 1e6:.1f} MB new, {len(refused)} left out", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
