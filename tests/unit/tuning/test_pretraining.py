"""A tiny real run: it learns, it goes on after a kill as if nothing had happened, and it can be prolonged."""

# ruff: noqa: E402 - nothing here runs without torch

from __future__ import annotations

import csv
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from codecompose_ls.errors import InputError, ModelError
from codecompose_ls.tuning.corpus import Corpus
from codecompose_ls.tuning.machine import Machine, choose_machine
from codecompose_ls.tuning.muon import Muon, orthogonalise
from codecompose_ls.tuning.pretraining import LAST, STABLE, Run
from codecompose_ls.tuning.recipe import Recipe
from codecompose_ls.tuning.schedule import Budget
from codecompose_ls.tuning.tokenizer import Encoder

RECIPE = Recipe(size="tiny", tokens_per_step=512, warm_up_steps=5, learning_rate=0.01)
MACHINE = Machine(compile=False, micro_batch_tokens=256)


def start(
    output: Path,
    corpus: Corpus,
    encoder: Encoder,
    recipe: Recipe = RECIPE,
    *,
    machine: Machine = MACHINE,
    held_out: bool = False,
) -> Run:
    return Run(
        output, recipe, machine, corpus=corpus, held_out=corpus if held_out else None, tokenizer=encoder.tokenizer
    )


def train(run: Run, *, steps: int) -> list[float]:
    """Train to the given step in a budget of as many; return the loss of every step made."""
    losses: list[float] = []
    original = run._step

    def record(*args: object) -> float:
        losses.append(original(*args))  # type: ignore[arg-type]
        return losses[-1]

    run._step = record  # type: ignore[method-assign]
    run.train(Budget(tokens=steps * 512), checkpoint_minutes=60, held_out_minutes=60, progress=False)
    return losses


def test_the_loss_goes_down_and_the_run_leaves_its_files(corpus: Corpus, encoder: Encoder, tmp_path: Path) -> None:
    run = start(tmp_path, corpus, encoder, held_out=True)
    losses = train(run, steps=80)
    assert losses[0] > 6.0
    assert sum(losses[-5:]) / 5 < 4.0
    with (tmp_path / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert int(rows[-1]["step"]) == run.step == 80
    assert int(rows[-1]["tokens"]) == run.tokens == 80 * 512
    assert float(rows[-1]["held_out_loss"]) < 4.0
    with (tmp_path / "held_out.csv").open() as file:
        groups = {(row["language"], row["objective"]) for row in csv.DictReader(file)}
    assert groups == {(language, objective) for language in ("python", "typescript") for objective in ("plain", "line")}
    about = json.loads((tmp_path / "model" / "codecompose.json").read_text())
    assert about["provenance"]["tokens"] == run.tokens
    assert about["evaluation"]["held_out"][0]["language"] == "python"


def test_a_run_in_bf16_learns_and_goes_on(corpus: Corpus, encoder: Encoder, tmp_path: Path) -> None:
    machine = replace(MACHINE, precision="bf16")
    losses = train(start(tmp_path, corpus, encoder, held_out=True, machine=machine), steps=30)
    assert sum(losses[-5:]) / 5 < losses[0] - 0.8
    longer = start(tmp_path, corpus, encoder, machine=machine)
    assert longer.resume(Budget(tokens=60 * 512)) and longer.step == 24
    assert sum(train(longer, steps=60)[-5:]) < sum(losses[-5:])
    assert all(parameter.dtype == torch.float32 for parameter in longer.network.parameters())


def test_a_run_goes_on_after_a_kill_as_if_nothing_had_happened(
    corpus: Corpus, encoder: Encoder, tmp_path: Path
) -> None:
    whole = train(start(tmp_path / "whole", corpus, encoder), steps=30)

    killed = start(tmp_path / "killed", corpus, encoder)
    original, made = killed._step, []

    def stop_at_twelve(*args: object) -> float:
        made.append(original(*args))  # type: ignore[arg-type]
        if len(made) == 12:
            os.kill(os.getpid(), signal.SIGTERM)
        return made[-1]

    killed._step = stop_at_twelve  # type: ignore[method-assign]
    killed.train(Budget(tokens=30 * 512), checkpoint_minutes=60, held_out_minutes=60, progress=False)
    assert killed.has_stopped and killed.step == 12

    resumed = start(tmp_path / "killed", corpus, encoder)
    assert resumed.resume(Budget(tokens=30 * 512))
    assert resumed.step == 12
    assert made + train(resumed, steps=30) == pytest.approx(whole, rel=1e-4)


def test_a_finished_run_is_prolonged_from_before_its_cool_down(
    corpus: Corpus, encoder: Encoder, tmp_path: Path
) -> None:
    train(start(tmp_path, corpus, encoder), steps=20)
    again = start(tmp_path, corpus, encoder)
    assert again.resume(Budget(tokens=20 * 512)) and again.step == 20
    longer = start(tmp_path, corpus, encoder)
    assert longer.resume(Budget(tokens=40 * 512))
    assert longer.step == 16
    direct = train(start(tmp_path / "direct", corpus, encoder), steps=40)
    assert train(longer, steps=40) == pytest.approx(direct[16:], rel=1e-4)
    with (tmp_path / "curve.csv").open() as file:
        steps = [int(row["step"]) for row in csv.DictReader(file)]
    assert steps == sorted(set(steps))


@pytest.mark.parametrize("change", [{"seed": 1}, {"learning_rate": 0.02}, {"tokens_per_step": 1024}])
def test_a_run_of_another_kind_is_refused_in_one_line(
    corpus: Corpus, encoder: Encoder, tmp_path: Path, change: dict[str, float]
) -> None:
    train(start(tmp_path, corpus, encoder), steps=2)
    other = start(tmp_path, corpus, encoder, replace(RECIPE, **change))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"{next(iter(change))} was .*, is .*: choose another --output"):
        other.resume(Budget(tokens=4096))


def test_a_damaged_checkpoint_is_named(corpus: Corpus, encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / LAST).write_bytes(b"half a file")
    with pytest.raises(ModelError, match=r"last\.safetensors is not a checkpoint"):
        start(tmp_path, corpus, encoder).resume(Budget(tokens=4096))


def test_an_empty_folder_holds_nothing_to_resume(corpus: Corpus, encoder: Encoder, tmp_path: Path) -> None:
    assert not start(tmp_path, corpus, encoder).resume(Budget(tokens=4096))
    assert not (tmp_path / "checkpoints" / STABLE).exists()


def test_orthogonalised_matrices_have_singular_values_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((3, 16, 40), (3, 40, 16)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape), dtype=torch.float32))
        assert values.min() > 0.6 and values.max() < 1.3


def test_muon_steps_against_the_gradient_by_its_learning_rate() -> None:
    weight = torch.nn.Parameter(torch.zeros(8, 8))
    weight.grad = torch.eye(8)
    Muon([weight], lr=0.1, weight_decay=0.0).step()
    assert torch.all(weight.diag() < 0)
    # RMS of the update: lr x 0.2 x sqrt(8) x (singular value near 1) / sqrt(8).
    assert weight.square().mean().sqrt().item() == pytest.approx(0.02, rel=0.3)


def test_auto_stands_for_what_is_there() -> None:
    machine = choose_machine(device="cpu", precision="fp32", compile=False)
    assert machine == Machine(device="cpu", precision="fp32", compile=False)
    if not torch.cuda.is_available():
        assert choose_machine().device == "cpu"
        with pytest.raises(InputError, match="no CUDA device"):
            choose_machine(device="cuda")
