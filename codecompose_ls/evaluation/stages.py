"""The stages of a tune on disk: what each of them has come to, so that the same command goes on after a kill.

CACHE/tuning/KEY/measured        weights of the run that the gate measures
                 verdict.json    what the gate found
                 final           weights of the run on the whole project
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codecompose_ls import folders
from codecompose_ls.errors import InputError, ModelError
from codecompose_ls.evaluation.gate import Verdict
from codecompose_ls.evaluation.sweep import sweep
from codecompose_ls.models.manifest import check
from codecompose_ls.tuning.atomic_file import atomic_file

METADATA = "codecompose.json"
#: Stands in the provenance of weights that their user did not wait for.
UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class Training:
    """What a run's codecompose.json says of it: losses are in nats a token, on validation files."""

    documents: int
    steps: int
    best_step: int
    tokens: int
    minutes: float
    base_loss: float
    tuned_loss: float
    stopped: str

    @property
    def best_tokens(self) -> int:
        """How many tokens had been learnt from when the weights were best; every step takes about as many."""
        return self.tokens * self.best_step // max(1, self.steps)


class Stages:
    """The stages under one key, which stands for everything that decides what comes out."""

    def __init__(self, key: str) -> None:
        self.folder = folders.cache() / "tuning" / key
        self.measured, self.final = self.folder / "measured", self.folder / "final"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes away, and clear away what was never finished; raises `InputError`."""
        from filelock import FileLock, Timeout

        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            sweep(self.folder.parent, but=self.folder)
            with FileLock(self.folder / ".lock", timeout=0):
                yield
        except Timeout as error:
            raise InputError("the same tune is running already; wait for it, or stop it") from error
        except OSError as error:
            mend = "mend that, and the same command goes on"
            raise InputError(f"{error.filename or self.folder}: {error.strerror or error}; {mend}") from error

    def training(self, run: Path) -> Training | None:
        """Return what a run has come to, if it has come to its end and is whole; what is not begins anew."""
        if not (run / METADATA).is_file() or (run / ".checkpoints").is_dir():
            return None
        try:
            check(run)
            return training_of(run)
        except (ModelError, OSError, ValueError, KeyError, TypeError):
            shutil.rmtree(run, ignore_errors=True)
            return None

    def verdict(self) -> Verdict | None:
        """Return what the gate found, if it was asked to its end."""
        try:
            return Verdict.from_json(json.loads((self.folder / "verdict.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, verdict: Verdict) -> None:
        with atomic_file(self.folder / "verdict.json") as partial:
            partial.write_text(json.dumps(verdict.to_json(), indent=2) + "\n", encoding="utf-8")

    def forget(self) -> None:
        """Delete it all: what came of it is elsewhere."""
        shutil.rmtree(self.folder, ignore_errors=True)


def training_of(run: Path) -> Training:
    """Return what a run's folder says of it, stopped early or not."""
    about = json.loads((run / METADATA).read_text(encoding="utf-8"))
    told, losses = about["provenance"], about["evaluation"]["validation"]
    return Training(
        documents=told["documents"],
        steps=told["steps"],
        best_step=told["best_step"],
        tokens=told["tokens"],
        minutes=told["minutes"],
        base_loss=losses["base"],
        tuned_loss=losses["tuned"],
        stopped=told["stopped"],
    )


def is_unfinished(folder: Path) -> bool:
    """Return whether a folder holds what a stopped tune left there, and nothing of anybody else's."""
    try:
        about = json.loads((folder / METADATA).read_text(encoding="utf-8"))
        return about["provenance"].get(UNFINISHED) is True
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def mark(
    run: Path, *, provenance: Mapping[str, Any] | None = None, evaluation: Mapping[str, Any] | None = None
) -> None:
    """Add to what a model's folder says of where it comes from and what it is worth."""
    about = json.loads((run / METADATA).read_text(encoding="utf-8"))
    about["provenance"] |= dict(provenance or {})
    about["evaluation"] |= dict(evaluation or {})
    with atomic_file(run / METADATA) as partial:
        partial.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
