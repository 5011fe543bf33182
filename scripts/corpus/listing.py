"""The listing, docs/training-data.toml: which packages to fetch, and what no file of theirs may import."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from scripts.corpus.refusal import Refused

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LISTING = Path(__file__).resolve().parents[2] / "docs" / "training-data.toml"
ECOSYSTEMS = ("pypi", "npm", "debian")
LANGUAGES = {"pypi": "python", "npm": "javascript"}


@dataclass(frozen=True, slots=True)
class Package:
    """One entry of the listing; `source` asks for a Debian source package, `max_mb` is the most that is taken."""

    ecosystem: str
    name: str
    language: str
    max_mb: float
    version: str = ""
    licence: str = ""
    held_out: bool = False
    source: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """The packages, and the names of the domains that stay unseen."""

    packages: tuple[Package, ...]
    excluded: tuple[str, ...]


def is_held_out(name: str) -> bool:
    """One package in ten, by a hash that never changes: decided by the name alone."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10 == 0


def read_listing(path: Path) -> Listing:
    """Read and check a listing. Raises Refused, which names the entry, where it breaks its own rules."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        excluded = tuple(name for names in tables["excluded_domains"].values() for name in names)
        packages = []
        for ecosystem in ECOSYSTEMS:
            for name, fields in tables.get(ecosystem, {}).items():
                defaults = {"language": LANGUAGES.get(ecosystem), "max_mb": tables["max_mb"][ecosystem]}
                packages.append(Package(ecosystem, name, **{**defaults, **fields}))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{path} is no listing of packages: {error}") from error
    for package in packages:
        if package.name in excluded:
            raise Refused(f"{path.name}: {package.name} belongs to an excluded domain; remove it")
        if package.held_out != is_held_out(package.name):
            raise Refused(f"{path.name}: {package.name}: held_out must be {str(is_held_out(package.name)).lower()}")
    return Listing(tuple(packages), excluded)
