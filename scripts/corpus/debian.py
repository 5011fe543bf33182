"""Releases from Debian, of the suite this machine runs, through apt with a configuration of our own."""

from __future__ import annotations

import atexit
import email.parser
import fnmatch
import functools
import re
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from scripts.corpus.licences import COPYLEFT, identify, permitted
from scripts.corpus.listing import Package
from scripts.corpus.refusal import Refused, refuse_licence
from scripts.corpus.release import Release, archive_files, endings, execute

_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
#: Where -dev packages install sources.
_INSTALLED = r"^usr/(share/gocode/src|share/cargo/registry|share/go-[^/]+/src|include)/"
_apt_lock = threading.Lock()


def fetch(package: Package, folder: Path) -> Release:
    """`apt-get download` of a -dev package, or the upstream archive of `apt-get source`."""
    with _apt_lock:
        env = {"APT_CONFIG": str(private_apt())}
    verb = ["source", "--download-only", "--only-source"] if package.source else ["download"]
    execute(["apt-get", "-qq", *verb, package.name], cwd=folder, env=env)
    wanted = endings(package.language, r"(^|/)copyright$")
    found: dict[str, bytes] = {}
    for archive in sorted(path for path in folder.iterdir() if re.search(r"\.(deb|tar\.\w+)$", path.name)):
        tree = dict(archive_files(archive, wanted))
        is_upstream = ".debian.tar" not in archive.name and ".orig-" not in archive.name
        if package.source and is_upstream:
            tree = {name.split("/", 1)[-1]: data for name, data in tree.items()}
        found.update(tree)
    description = next(folder.glob("*.dsc" if package.source else "*.deb"))
    where = "debian/copyright" if package.source else f"usr/share/doc/{package.name}/copyright"
    if where not in found:
        raise Refused("no copyright file")
    spdx, refused = licence(found[where].decode("utf-8", "replace"))
    files = {re.sub(_INSTALLED, "", name): data for name, data in found.items() if not name.endswith("/copyright")}
    files = {
        name: data
        for name, data in files.items()
        if not any(fnmatch.fnmatch(f"/{name}", f"*/{pattern.removeprefix('./')}") for pattern in refused)
    }
    return Release(description.stem.split("_")[1], spdx, files)


def licence(copyright_file: str) -> tuple[str, list[str]]:
    """Return the licence of the bulk of a package, and the file patterns in it that are under another kind of licence.

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
            main = spdx or refuse_licence(name)
        if spdx is None:
            refused += patterns
    return main or refuse_licence("no machine-readable copyright file"), refused


@functools.cache
def private_apt() -> Path:
    """Write an apt configuration with source packages too, gone when the process ends; the system's stays as it is."""
    root = Path(tempfile.mkdtemp(prefix="corpus-apt-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    for name in ("lists/partial", "cache/archives/partial"):
        (root / name).mkdir(parents=True)
    (root / "status").touch()
    suite, mirror = system_mirror()
    lines = [f"{kind} [signed-by={_KEYS}] {mirror} {suite} main\n" for kind in ("deb", "deb-src")]
    (root / "sources.list").write_text("".join(lines))
    configuration = root / "apt.conf"
    configuration.write_text(
        f'Dir::State "{root}"; Dir::State::Lists "{root}/lists"; Dir::State::status "{root}/status";\n'
        f'Dir::Cache "{root}/cache"; Dir::Etc::sourcelist "{root}/sources.list";\n'
        'Dir::Etc::sourceparts "/dev/null"; Dir::Etc::preferencesparts "/dev/null";\n'
        'APT::Sandbox::User "root"; Acquire::Languages "none";\n'
    )
    execute(["apt-get", "update", "-qq"], cwd=root, env={"APT_CONFIG": str(configuration)})
    return configuration


def system_mirror() -> tuple[str, str]:
    """Return the suite this machine runs and the mirror its apt uses. Raises Refused where there is none."""
    try:
        release = Path("/etc/os-release").read_text(encoding="utf-8")
        command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]
        targets = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise Refused(f"this machine is no Debian: {error}") from error
    codename = re.search(r"VERSION_CODENAME=(\w+)", release)
    for line in targets.splitlines():
        mirror, suite = line.split()[:2]
        if codename and suite == codename.group(1):
            return suite, mirror
    raise Refused("apt knows no mirror of this Debian: run apt-get update once")
