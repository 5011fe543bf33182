"""Where a model comes from, for its codecompose.json: tokens, recipe, machine, corpus, revision and versions."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from codecompose_ls import __version__
from codecompose_ls.tuning.corpus import FilterReport
from codecompose_ls.tuning.machine import Machine
from codecompose_ls.tuning.recipe import Recipe

_PROJECT = Path(__file__).resolve().parents[2]


def provenance(recipe: Recipe, machine: Machine, report: FilterReport) -> dict[str, Any]:
    """Return what does not change during a run, JSON-serialisable."""
    return {
        "recipe": asdict(recipe),
        "machine": asdict(machine),
        "corpus": {
            "files": dict(report.files),
            "characters": dict(report.characters),
            "dropped": dict(report.dropped),
        },
        "revision": git_revision(),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of what made the weights."""
    return {
        "codecompose_ls": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def git_revision(project: Path = _PROJECT) -> str | None:
    """Return the revision of the checkout this code runs from, with `-dirty` where it was changed; None outside one.

    An installed package has none, and its version says it all; the repository it may be installed below is another's.
    """
    if not (project / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(project), "describe", "--always", "--dirty", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
