"""A run that is killed loses nothing but what came after its last checkpoint, and ends with the same weights.

Real processes of the real command, one thread each, so that the arithmetic is the same to the last bit.
"""

# ruff: noqa: E402 - nothing here runs without torch

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file

from codecompose_ls.tuning.checkpoint import read_state
from codecompose_ls.tuning.corpus import Corpus, write_pack
from codecompose_ls.tuning.pretraining import CURVE_STEPS, LAST, STABLE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="named pipes and process groups")

STEPS = 160
PATIENCE = 300


class Training:
    """A `codecompose-ls pretrain` process in an output folder, started anew as often as a test asks for."""

    def __init__(self, pack: Path, output: Path) -> None:
        self.pack, self.output = pack, output
        self.last = output / "checkpoints" / LAST
        self.process: subprocess.Popen[str] | None = None

    def start(self, *options: str) -> None:
        command = [sys.executable, "-m", "codecompose_ls", "pretrain", str(self.pack), "--output", str(self.output)]
        command += ["--size", "tiny", "--tokens-per-step", "512", "--tokens", str(STEPS * 512)]
        command += ["--device", "cpu", "--precision", "fp32", "--no-compile", "--checkpoint-minutes", "0.001"]
        self.process = subprocess.Popen(
            [*command, *options],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def finish(self, *options: str) -> str:
        """Run to the end; return what was printed."""
        self.start(*options)
        return self.wait()

    def wait(self) -> str:
        assert self.process is not None
        printed, _ = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, printed
        return printed

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == -signal.SIGKILL

    def watch(self, condition: Callable[[], bool]) -> None:
        """Return as soon as the condition holds; the process must be alive then."""
        assert self.process is not None
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def curve_rows(self) -> int:
        curve = self.output / "curve.csv"
        return max(0, len(curve.read_text().splitlines()) - 1) if curve.exists() else 0

    def saved_step(self) -> int:
        return int(read_state(self.last)["step"])


@pytest.fixture(scope="module")
def pack(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pack") / "shop.jsonl.xz"
    write_pack(corpus, path)
    return path


@pytest.fixture(scope="module")
def undisturbed(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Training:
    training = Training(pack, tmp_path_factory.mktemp("undisturbed"))
    training.finish()
    assert training.saved_step() == STEPS
    return training


@pytest.fixture
def training(pack: Path, tmp_path: Path) -> Iterator[Training]:
    training = Training(pack, tmp_path / "run")
    yield training
    if training.process is not None and training.process.poll() is None:
        training.process.kill()
        training.process.communicate()


def assert_same(training: Training, expected: Training) -> None:
    """Both hold the same weights and optimiser states, bit for bit, before the cool-down and at the end."""
    for name in (f"checkpoints/{LAST}", f"checkpoints/{STABLE}", "model/model.safetensors"):
        ours, theirs = load_file(training.output / name), load_file(expected.output / name)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(value, theirs[key]) for key, value in ours.items()), name
    assert {path.name for path in (training.output / "checkpoints").iterdir()} == {LAST, STABLE}
    assert not list(training.output.rglob("*.partial"))


def test_a_run_killed_between_checkpoints_and_while_it_writes_one(training: Training, undisturbed: Training) -> None:
    training.start()
    training.watch(lambda: training.curve_rows() >= 1 and training.last.exists())
    training.kill()
    step = training.saved_step()
    assert 0 < step < STEPS

    # The next checkpoint goes into a pipe, which holds up the writer when it is full: the kill hits the writing.
    partial = training.last.with_name(LAST + ".partial")
    partial.unlink(missing_ok=True)
    os.mkfifo(partial)
    reader = os.open(partial, os.O_RDONLY | os.O_NONBLOCK)
    training.start()
    assert select.select([reader], [], [], PATIENCE)[0]
    beginning = os.read(reader, 1000)
    training.kill()
    os.close(reader)
    partial.unlink()
    partial.write_bytes(beginning)

    assert training.saved_step() == step
    assert f"going on from step {step} " in training.finish()
    assert_same(training, undisturbed)
    steps = [int(line.split(",")[0]) for line in (training.output / "curve.csv").read_text().splitlines()[1:]]
    assert steps == list(range(CURVE_STEPS, STEPS + 1, CURVE_STEPS))


def test_a_run_with_workers_stopped_from_the_keyboard(training: Training, undisturbed: Training) -> None:
    training.start("--workers", "2")
    training.watch(lambda: training.curve_rows() >= 1)
    assert training.process is not None
    os.killpg(training.process.pid, signal.SIGINT)
    assert "stopped; the same command goes on" in training.wait()
    assert f"going on from step {training.saved_step()} " in training.finish("--workers", "2")
    assert_same(training, undisturbed)
