"""Fit the index on the history of projects: what candidates count, and what they count against the model.

    python scripts/fit_index.py REPOSITORY... --since 1y --cases 60 [--model FOLDER] [--leave-one-out] [--sessions]

Prints the tables for `index/candidates.py` (WEIGHTS) and `index/prior.py` (weight). Fitted on other projects than those
it is judged by; needs the extra `tune`.
"""

from __future__ import annotations

import argparse
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from codecompose_ls.completion.window import Window, window
from codecompose_ls.evaluation.hidden_lines import Case, draw
from codecompose_ls.evaluation.history import replays
from codecompose_ls.evaluation.sessions import draw_sessions
from codecompose_ls.evaluation.workspaces import Workspaces, uri_of
from codecompose_ls.index.candidates import WEIGHTS, Flags, Surroundings
from codecompose_ls.index.lexemes import BREAK, END, Ids
from codecompose_ls.index.prior import CONTEXT, prior_of
from codecompose_ls.types import Document

#: Lexemes of a hidden line that are learned from, and tokens.
STEPS, TOKENS = 10, 24
#: How likely the true lexeme is to be none that was proposed; one of so many then.
MISSED, OTHERS = 0.02, 50


@dataclass(frozen=True, slots=True)
class Step:
    """Candidates for one lexeme of a hidden line: their features, and which of them propose what was hidden."""

    project: str
    place: int
    features: NDArray[np.float32]
    proposed: Ids
    right: Flags


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repositories", nargs="+", type=Path)
    parser.add_argument("--since", default="1y")
    parser.add_argument("--cases", type=int, default=60, help="of each kind, per project")
    parser.add_argument("--model", type=Path, help="fit the weight against this model, too")
    parser.add_argument("--leave-one-out", action="store_true", help="judge on each project what the others taught")
    parser.add_argument("--sessions", action="store_true", help="fit what was typed lately alone, on session replay")
    args = parser.parse_args()
    torch.set_num_threads(2)
    count = args.cases * len(args.repositories)
    if args.sessions:
        cases = draw_sessions(args.repositories, args.since, cases=count, language="python")
    else:
        sources = [replay.source for replay in replays(args.repositories, args.since, language="python")]
        cases = draw(sources, cases=count)
    # In the history of a project nothing was typed lately.
    names = [name for name in WEIGHTS if name.startswith("fresh_") == args.sessions]
    fit_kernel(cases, names, leave_one_out=args.leave_one_out)
    if args.model:
        fit_weight(cases, args.model)


def fit_kernel(cases: Sequence[Case], names: Sequence[str], *, leave_one_out: bool) -> None:
    """Print the weights of the features of these names: a conditional logit over the candidates of each lexeme."""
    workspaces, steps = Workspaces(), []
    for case in track(cases, "candidates"):
        workspaces.enter(case)
        steps += [step for step in steps_of(case, workspaces) if len(step.right)]
    before = np.array(list(WEIGHTS.values()), dtype=np.float32)
    projects = sorted({step.project for step in steps})
    if leave_one_out and len(projects) > 1:
        for project in projects:
            theirs = [step for step in steps if step.project == project]
            fitted = logit([step for step in steps if step.project != project], names)
            print(f"{project}: right {accuracy(theirs, before):.3f} as it is, {accuracy(theirs, fitted):.3f} fitted")
    fitted, without = logit(steps, names), before * [name not in names for name in WEIGHTS]
    print(
        f"all: {len(steps)} lexemes, right {accuracy(steps, without):.3f} without them, "
        f"{accuracy(steps, before):.3f} as it is, {accuracy(steps, fitted):.3f} fitted"
    )
    for name, value in zip(WEIGHTS, fitted, strict=True):
        print(f'    "{name}": {value:.2f},')


def steps_of(case: Case, workspaces: Workspaces) -> Iterator[Step]:
    """Yield a step for each lexeme of what was hidden, as if all before it had been right."""
    found = workspaces.locate(window_of(case).context(multiline=False))
    assert found is not None
    workspace, path = found
    before, after = workspace.lexemes(case.text[: case.offset], case.text[case.offset :])
    hidden = workspace.vocabulary.encode(case.hidden.rstrip(), opened=False)
    view = workspace.view()
    above = case.text[: case.text.rfind("\n", 0, case.offset) + 1]
    fresh = workspace.fresh(path, above, case.text[case.offset :])
    surroundings = Surroundings(before, after, path=path, words=view.words, rarity=view.rarity, fresh=fresh)
    for place, truth in enumerate([*hidden, BREAK][:STEPS]):
        context = np.array([*before, *hidden[:place]][-CONTEXT:], dtype=np.uint32)

        def allows(ids: Ids, place: int = place) -> Flags:
            return ids != BREAK if place == 0 else np.ones(len(ids), dtype=np.bool_)

        found = surroundings.candidates(context, view.without(path), allows=allows)
        # The end of a file ends its last line.
        proposed = np.where(found.proposed == END, BREAK, found.proposed)
        yield Step(case.project.name, place, found.features, proposed, proposed == truth)


def logit(steps: Sequence[Step], names: Sequence[str]) -> NDArray[np.float32]:
    """Return the weights that make what was hidden likeliest (L-BFGS, a little weight decay), others as they are."""
    is_fitted = torch.tensor([name in names for name in WEIGHTS])
    as_they_are = torch.tensor(list(WEIGHTS.values())).masked_fill(is_fitted, 0)
    features = torch.tensor(np.concatenate([step.features for step in steps]))
    right = torch.tensor(np.concatenate([step.right for step in steps]))
    owner = torch.tensor(np.repeat(np.arange(len(steps)), [len(step.right) for step in steps]))
    weights = torch.zeros(len(WEIGHTS), requires_grad=True)

    def loss() -> torch.Tensor:
        scores = features @ (as_they_are + weights * is_fitted)
        most = torch.full((len(steps),), -1e9).scatter_reduce(0, owner, scores, "amax").detach()
        votes = (scores - most[owner]).exp()
        all_votes = torch.zeros(len(steps)).index_add(0, owner, votes)
        right_votes = torch.zeros(len(steps)).index_add(0, owner, votes * right)
        likely = right_votes / all_votes * (1 - MISSED) + MISSED / OTHERS
        return -likely.log().mean() + 1e-4 * weights.square().sum()

    minimise(weights, loss)
    return (as_they_are + weights * is_fitted).detach().numpy()


def accuracy(steps: Sequence[Step], weights: NDArray[np.float32]) -> float:
    """Return how often the lexeme with the most votes was the hidden one."""
    hits = 0
    for step in steps:
        scores = step.features @ weights
        ids, which = np.unique(step.proposed, return_inverse=True)
        votes = np.bincount(which, np.exp(scores - scores.max()))
        hits += bool(step.right[step.proposed == ids[votes.argmax()]].any())
    return hits / len(steps)


def fit_weight(cases: Sequence[Case], model: Path) -> None:
    """Print the weight of the votes against the model that makes the hidden tokens likeliest."""
    from codecompose_ls.backends.local import LocalBackend
    from codecompose_ls.index.prior import WorkspacePrior

    workspaces, rows = Workspaces(), []
    backend = LocalBackend(model, prior_of=prior_of(workspaces.locate))
    for case in track(random.Random(0).sample(list(cases), len(cases)), "against the model"):
        workspaces.enter(case)
        context = window_of(case).context(multiline=False)
        prompt = backend.prompt(context)
        prior = backend._prior(context, prompt)
        assert isinstance(prior, WorkspacePrior)
        ids = [*backend._tokenizer.encode(case.hidden.rstrip()), backend._tokenizer.token_id("<|endoftext|>")][:TOKENS]
        logits = [backend._session.prefill(prompt.token_ids, stop=threading.Event())]
        logits += list(backend._session.feed(ids[:-1], rows=len(ids) - 1)) if len(ids) > 1 else []
        for place, (truth, row) in enumerate(zip(ids, logits, strict=True)):
            found = prior.consult([*prompt.token_ids, *ids[:place]])
            if len(found.ids):
                mine = float(np.exp(row[truth] - row.max()) / np.exp(row - row.max()).sum())
                theirs = float(found.shares[found.ids == truth].sum())
                rows.append((mine, theirs, found.strength, float(found.shares.max())))
    backend.close()
    mine, theirs, strength, share = torch.tensor(rows, dtype=torch.float64).T
    design = torch.stack([torch.ones_like(mine), strength, share], dim=1)
    weights = torch.zeros(3, dtype=torch.float64, requires_grad=True)

    def loss() -> torch.Tensor:
        weight = torch.sigmoid(design @ weights)
        return -torch.log((1 - weight) * mine + weight * theirs + 1e-6).mean()

    minimise(weights, loss)
    alone = -torch.log(mine + 1e-6).mean().item()
    print(f"{len(rows)} tokens: {alone:.3f} nats by the model alone, {loss().item():.3f} mixed")
    print("_BIAS, _STRENGTH, _SHARE =", ", ".join(f"{value:.2f}" for value in weights.tolist()))


def minimise(weights: torch.Tensor, loss: Callable[[], torch.Tensor]) -> None:
    """Change the weights until the loss falls no more."""
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)


def window_of(case: Case) -> Window:
    """Return what a server would see of a case."""
    return window(Document(uri_of(case), case.path, case.language, case.text), case.offset, limits=(2700, 1150))


if __name__ == "__main__":
    main()
