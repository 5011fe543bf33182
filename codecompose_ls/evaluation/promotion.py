"""Promotion: from a project to weights of its own in the registry, all inside so many minutes.

    collect at T -> tune -> gate on what came after T -> tune on the whole project, as long as was best -> register

Without a history, some files are held out in place of what came after T. Budget of `minutes`: reading and the run that
is measured 45 %, the gate with retention 15 %, the final run 35 %, saving 5 %; what one leaves is for those who follow.
Every stage keeps what it has come to: a call with the same arguments goes on after a kill.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from codecompose_ls import settings
from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.evidence import Evidence, find_evidence
from codecompose_ls.evaluation.gate import Contest, Verdict, retention_cases, verdict
from codecompose_ls.evaluation.head_to_head import head_to_head
from codecompose_ls.evaluation.order import Order, base_of
from codecompose_ls.evaluation.stages import UNFINISHED, Stages, Training, mark, training_of
from codecompose_ls.evaluation.weights import content_of
from codecompose_ls.models import registry
from codecompose_ls.tuning.corpus import PACK_SUFFIX, Corpus, Document, FilterReport, read_pack, write_pack
from codecompose_ls.tuning.interruption import stopping_on_signals
from codecompose_ls.tuning.project import ProjectText, split
from codecompose_ls.tuning.replay import replay_documents, retained_code

#: Shares of the minutes after which the measured run, the gate and the final run have to be done.
MEASURED_BY, GATE_BY, FINAL_BY = 0.45, 0.60, 0.95


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a promotion is: a stage and how much of it is done, 0 to 1; loss in nats a token, of one step."""

    stage: str
    done: float = 0.0
    loss: float | None = None
    tokens_per_second: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """What came of an order: weights in `folder`, in the registry under `name`.

    Stopped by the user, it has no name: the best so far lies in `folder`, and the same order goes on from there.
    """

    folder: Path
    name: str | None
    text: ProjectText
    story: str
    training: Training
    verdict: Verdict | None
    promoted: bool
    minutes: float

    def to_json(self) -> dict[str, Any]:
        """Return all of it but the code."""
        return {
            "name": self.name,
            "folder": str(self.folder),
            **_told(self.text),
            "story": self.story,
            "training": asdict(self.training),
            "gate": None if self.verdict is None else self.verdict.to_json(),
            "promoted": self.promoted,
            "minutes": round(self.minutes, 2),
        }


def carry_out(order: Order, *, watch: Callable[[Progress], None] = lambda progress: None) -> Promotion:
    """Do all that is ordered; raises `InputError`, `ModelError`, `EngineError` and `MissingExtraError`.

    SIGINT ends it with what there is, once there are weights.
    """
    started = time.monotonic()
    base = base_of(order)
    watch(Progress("reading the project"))
    evidence = find_evidence(order.folder.resolve(), since=order.since, force=order.force)
    return _Job(order, base, evidence, started, watch).go()


class _Job:
    """One order being carried out."""

    def __init__(
        self, order: Order, base: Path, evidence: Evidence, started: float, watch: Callable[[Progress], None]
    ) -> None:
        self.order, self.base, self.evidence = order, base, evidence
        self._started, self._watch = started, watch
        self.stages = Stages(self._key())

    def go(self) -> Promotion:
        with self.stages.held():
            measured = self.stages.training(self.stages.measured) or self._tune(
                self.evidence.known, self.stages.measured, by=MEASURED_BY, title=f"tuning {self._moment}"
            )
            if measured is None:
                return self._stopped(self.stages.measured, self.evidence.known)
            self._check_learnt(measured, self.stages.measured)
            try:
                found = self.stages.verdict() or self._gate(measured)
            except KeyboardInterrupt:
                return self._stopped(self.stages.measured, self.evidence.known)
            if not (found.passed or self.order.force):
                return self._registered(self.stages.measured, self.evidence.known, found)
            final = self.stages.training(self.stages.final) or self._tune(
                self.evidence.whole,
                self.stages.final,
                by=FINAL_BY,
                title="tuning on the whole project",
                tokens=measured.best_tokens,
            )
            if final is None:
                return self._stopped(self.stages.final, self.evidence.whole, found)
            self._check_learnt(final, self.stages.final)
            return self._registered(self.stages.final, self.evidence.whole, found)

    @property
    def _moment(self) -> str:
        revision = self.evidence.known.revision or ""
        return f"at {revision[:12]}" if revision == self.evidence.measured_at else "on all but the held-out files"

    @property
    def _minutes(self) -> float:
        return (time.monotonic() - self._started) / 60

    def _left(self, share: float) -> float:
        """Return the minutes until a share of the order's has passed."""
        return share * self.order.minutes - self._minutes

    def _tune(
        self, text: ProjectText, output: Path, *, by: float, title: str, tokens: int | None = None
    ) -> Training | None:
        """Run one tuning run to its end, or on from where it was; None where the user has stopped it."""
        from codecompose_ls.tuning.tuner import TuningProgress, tune

        minutes = self._left(by)
        if minutes <= 0:
            raise InputError(
                f"--minutes {self.order.minutes:g} is too little: {self._minutes:.1f} have passed before {title}"
            )
        training, validation = split(text.documents)

        def watch(now: TuningProgress) -> None:
            self._watch(Progress(title, now.done, now.loss, now.tokens_per_second, now.seconds_left))

        self._watch(Progress(title))
        tuned = tune(
            self.base,
            training=training,
            validation=validation,
            replay=self._replayed(text, output),
            recipe=self.order.recipe,
            output=output,
            minutes=minutes,
            tokens=tokens,
            watch=watch,
            provenance=_told(text),
        )
        return None if tuned.stopped == "interrupted" else training_of(output)

    def _check_learnt(self, training: Training, run: Path) -> None:
        """Refuse a run whose best weights are the base's own, and throw it away; raises `InputError`."""
        if training.best_step > 0:
            return
        shutil.rmtree(run, ignore_errors=True)
        if training.stopped == "deadline":
            few = f"{training.steps} steps of tuning fit into its share and made nothing better"
            raise InputError(f"--minutes {self.order.minutes:g} is too little: {few}; give it more")
        loss = f"the validation loss never fell below the base's {training.base_loss:.3f}"
        raise InputError(f"tuning has made nothing better: {loss}; try another --strategy, or more code")

    def _gate(self, measured: Training) -> Verdict:
        loaded, _ = settings.load(root=self.order.folder)
        general = retained_code(folder=self.order.replay_from, exclude=self.evidence.whole.documents)
        retained = retention_cases(general)
        # What the final run will need stays; what is left over by the run before is for more cases.
        share = max(0.5 * self._left(GATE_BY), self._left(FINAL_BY) - 1.2 * measured.minutes)
        until = time.monotonic() + 60 * max(share, 0.5 * (GATE_BY - MEASURED_BY) * self.order.minutes)
        interrupted = threading.Event()

        def watching(stage: str) -> Callable[[int, int], None]:
            def watch(done: int, total: int) -> None:
                self._watch(Progress(stage, done / total))
                # Between two cases: a task that is cancelled in the middle of one may still come to its end.
                if interrupted.is_set():
                    raise KeyboardInterrupt

            return watch

        async def ask(contest: Contest) -> Verdict:
            lines = await contest.ask(
                self.evidence.cases,
                until=until - (until - time.monotonic()) / 3,
                index=loaded.index,
                watch=watching("gate"),
            )
            kept = await contest.ask(retained, until=until, index=False, watch=watching("retention"))
            retention = head_to_head(*kept) if retained else None
            return verdict(*lines, measured_at=self.evidence.measured_at, retention=retention)

        self._watch(Progress("gate"))
        with stopping_on_signals(interrupted.set), Contest(self.base, self.stages.measured, settings=loaded) as contest:
            found = asyncio.run(ask(contest))
        self.stages.keep(found)
        return found

    def _registered(self, run: Path, text: ProjectText, found: Verdict) -> Promotion:
        """Put a run's weights into the registry and where else they are wanted."""
        self._watch(Progress("saving"))
        order, training = self.order, training_of(run)
        mark(run, evaluation={"gate": found.to_json()})
        name = order.name or registry.unused(f"{text.name}-{order.recipe.strategy}")
        folder = registry.add(run, name)
        if order.output:
            _deliver(folder, order.output)
        is_wanted = order.promote and (found.passed or order.force)
        if is_wanted:
            registry.promote(name, order.folder.resolve(), force=order.force)
        if run == self.stages.final:
            self.stages.forget()
        return Promotion(folder, name, text, self.evidence.story, training, found, is_wanted, self._minutes)

    def _stopped(self, run: Path, text: ProjectText, found: Verdict | None = None) -> Promotion:
        if self.order.output:
            _deliver(run, self.order.output, unfinished=True)
        return Promotion(run, None, text, self.evidence.story, training_of(run), found, False, self._minutes)

    def _replayed(self, text: ProjectText, run: Path) -> tuple[Document, ...]:
        """Return the general code of a run, the same when it goes on: packages may come and go in between."""
        order, own = self.order, self.evidence.whole.documents
        pack = run.with_name(f"{run.name}-replay{PACK_SUFFIX}")
        if pack.is_file():
            try:
                return read_pack(pack).documents
            except InputError:
                # Damaged; what was begun with it cannot be gone on with.
                shutil.rmtree(run, ignore_errors=True)
        drawn = replay_documents(order.recipe.replay, text.characters, folder=order.replay_from, exclude=own)
        write_pack(Corpus(drawn, FilterReport()), pack)
        return read_pack(pack).documents

    def _key(self) -> str:
        """Return a hash of all that decides what comes out; not of what is done with it."""
        digest = hashlib.sha256()
        for document in (*self.evidence.known.documents, *self.evidence.whole.documents):
            digest.update(f"{document.path}\0{document.text}\0".encode(errors="replace"))
        facts = {
            "folder": str(self.order.folder.resolve()),
            "base": content_of(self.base),
            "recipe": asdict(self.order.recipe),
            "minutes": self.order.minutes,
            "replay_from": str(self.order.replay_from and self.order.replay_from.resolve()),
            "measured_at": self.evidence.measured_at,
            "documents": digest.hexdigest(),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def _deliver(run: Path, output: Path, *, unfinished: bool = False) -> None:
    """Copy a run's weights to a folder, which appears whole; raises `InputError`."""
    output = output.resolve()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as beside:
            whole = shutil.copytree(run, Path(beside, "whole"), ignore=shutil.ignore_patterns(".*", "manifest.json"))
            mark(whole, provenance={UNFINISHED: True} if unfinished else {})
            if output.exists():
                os.rename(output, Path(beside, "before"))
            os.rename(whole, output)
    except OSError as error:
        raise InputError(f"--output {output} cannot be written ({error.strerror}); the model is in {run}") from error


def _told(text: ProjectText) -> dict[str, object]:
    """Return what may be known of a project wherever its weights go: its name, and counts."""
    return {
        "project": text.name,
        "revision": text.revision,
        "files": len(text.documents),
        "characters": text.characters,
        "dropped": dict(text.dropped),
    }
