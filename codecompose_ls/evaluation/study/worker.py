"""One cell, in whichever process: tune its model, ask it its cases, keep every step in the journal."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from codecompose_ls.evaluation import bleu
from codecompose_ls.evaluation.hidden_lines import Case
from codecompose_ls.evaluation.metrics import is_exact_match
from codecompose_ls.evaluation.study.cell import Asked, CellResult, Point, Tuning, hashed
from codecompose_ls.evaluation.study.journal import CellJournal, Task, held
from codecompose_ls.evaluation.study.matches import identifiers, ranks

if TYPE_CHECKING:
    from codecompose_ls.evaluation.study.answers import Answer
    from codecompose_ls.tuning.tuner import TunedModel

#: How far a cell is, 0 to 1.
Watch = Callable[[float], None]
#: The share of a cell's time that tuning takes, about: for the progress bar alone.
_TUNING_SHARE = 0.7


def run_cell(task: Task, *, fresh: bool = False, watch: Watch = lambda done: None) -> CellResult:
    """Return what comes of a cell; what an earlier run has found is not asked again.

    A cell that another study is doing is waited for. Raises what `tune` raises, and KeyboardInterrupt where tuning was
    interrupted: the cell goes on from there.
    """
    with held(task), closing(CellJournal(task, fresh=fresh)) as journal:
        if journal.is_complete:
            return journal.result()
        share = 0.0
        if task.recipe is not None:
            share = _TUNING_SHARE if task.cases else 1.0
            if journal.tuning is None or (journal.waiting and not journal.model.is_dir()):
                journal.tuned(_tune(task, journal.model, lambda done: watch(share * done)))
        if journal.waiting:
            _ask(task, journal, lambda done: watch(share + (1 - share) * done))
        watch(1.0)
        return journal.result()


def _tune(task: Task, output: Path, watch: Watch) -> Tuning:
    from codecompose_ls.tuning.tuned_folder import CHECKPOINTS
    from codecompose_ls.tuning.tuner import tune

    assert task.recipe is not None
    if output.is_dir() and not (output / CHECKPOINTS).is_dir():
        # Written to its end, but the journal does not know how it came to be.
        shutil.rmtree(output)
    tuned = tune(
        task.base,
        training=task.training,
        validation=task.validation,
        recipe=task.recipe,
        output=output,
        watch=lambda progress: watch(progress.done),
    )
    if tuned.stopped == "interrupted":
        raise KeyboardInterrupt
    return _tuning(task, tuned)


def _tuning(task: Task, tuned: TunedModel) -> Tuning:
    from codecompose_ls.tuning.flops import changes_by_block

    curve = tuple(Point(one.step, one.tokens, one.seconds, one.pf_seconds, one.validation) for one in tuned.losses)
    changes = changes_by_block(task.base, tuned.folder) if tuned.strategy == "custom" else ()
    return Tuning(
        steps=tuned.steps,
        tokens=tuned.tokens,
        seconds=tuned.seconds,
        pf_seconds=tuned.pf_seconds,
        stopped=tuned.stopped,
        curve=curve,
        changes=tuple(changes),
    )


def _ask(task: Task, journal: CellJournal, watch: Watch) -> None:
    from codecompose_ls.evaluation.study.answers import Answerer

    tuned = None if task.recipe is None else journal.model
    model = Answerer(task.base, tuned, candidates=task.candidates, prompt_tokens=task.prompt_tokens)
    for case in journal.waiting:
        journal.append(judge(case, model.answer(case)))
        watch(len(journal.asked) / len(task.cases))


def judge(case: Case, answer: Answer) -> Asked:
    """Compare what a model said with what was hidden; figures as in docs/metrics.md."""
    hidden, first = case.hidden.rstrip(), next(iter(answer.candidates), "")
    found = ranks(case, answer.candidates)
    return Asked(
        case=case.id,
        project=case.project.name,
        path_hash=hashlib.sha256(case.path.encode(errors="surrogateescape")).hexdigest()[:12],
        language=case.language,
        hit=is_exact_match(first, hidden),
        perfect=found.perfect,
        abstracted=found.abstracted,
        is_abstracted=found.is_abstracted,
        tokens=len(answer.logprobs),
        logprob=float(sum(answer.logprobs)),
        bleu=bleu.statistics(first, hidden),
        developer=hashed(identifiers(case, hidden)),
        generated=hashed(identifiers(case, first)),
    )
