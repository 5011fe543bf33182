"""The cache of graphs: used when it can be, rebuilt when it is damaged, done without when it cannot be written."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from codecompose_ls.inference import graph
from codecompose_ls.inference.graph import KEPT, load_graph
from codecompose_ls.inference.session import Session
from codecompose_ls.models.model import load_model
from tests.models import tiny_model


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODECOMPOSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "graphs"


def entries(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


def test_a_second_start_finds_the_first_ones_graph(tiny: Path, cache: Path) -> None:
    model = load_model(tiny)
    built = load_graph(model)
    assert entries(cache) == [built]
    written = entries(cache)[0].stat().st_ino
    assert load_graph(model) == built
    assert [entry.stat().st_ino for entry in entries(cache)] == [written]


def test_with_a_graph_in_the_cache_onnx_is_not_imported(tiny: Path, cache: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from codecompose_ls.backends.local import LocalBackend;"
        "LocalBackend(Path(sys.argv[1])).close();"
        "print([name for name in ('onnx', 'torch', 'ml_dtypes', 'pygls') if name in sys.modules])"
    )

    def imported() -> str:
        arguments = [sys.executable, "-W", "error", "-c", program, str(tiny)]
        return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.strip()

    assert imported() == "['onnx', 'ml_dtypes']"
    assert imported() == "[]"


@pytest.mark.parametrize("damaged", [b"", b"short", "half", "one bit"])
def test_a_damaged_entry_is_built_again(tiny: Path, cache: Path, damaged: bytes | str) -> None:
    model = load_model(tiny)
    built = load_graph(model)
    (entry,) = entries(cache)
    content = entry.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    entry.write_bytes(damaged if isinstance(damaged, bytes) else content[:middle] if damaged == "half" else flipped)
    assert load_graph(model) == built
    assert entry.read_bytes() == content


def test_other_weights_have_another_graph(tmp_path: Path, cache: Path) -> None:
    graphs = {load_graph(load_model(tiny_model(tmp_path / str(seed), seed=seed))) for seed in (0, 1)}
    assert len(graphs) == len(entries(cache)) == 2


def test_a_changed_builder_builds_again(tiny: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(tiny)
    load_graph(model)
    monkeypatch.setattr(graph, "_BUILDERS", ("decoder_graph.py", "quantization.py", "session.py"))
    load_graph(model)
    assert len(entries(cache)) == 2


def test_a_cache_that_cannot_be_written_costs_one_warning(
    tiny: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.parent.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        session = Session(load_model(tiny))
    assert len(caplog.records) == 1 and "cannot be written" in caplog.text
    assert session.feed([1, 2, 3]).shape == (1, 512)


def test_a_disk_that_fills_up_leaves_nothing_behind(
    tiny: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("codecompose_ls.inference.graph.os.replace", full)
    with caplog.at_level(logging.WARNING):
        assert load_graph(load_model(tiny))
    assert "No space left on device" in caplog.text
    assert entries(cache) == []


def test_graphs_used_longest_ago_are_dropped(tmp_path: Path, cache: Path) -> None:
    models = [load_model(tiny_model(tmp_path / str(seed), seed=seed)) for seed in range(KEPT + 1)]
    for model in models[:KEPT]:
        load_graph(model)
    for age, entry in enumerate(entries(cache)):
        os.utime(entry, (1_000_000 + age, 1_000_000 + age))
    load_graph(models[0])
    oldest = min(entries(cache), key=lambda entry: entry.stat().st_mtime)
    load_graph(models[KEPT])
    assert len(entries(cache)) == KEPT
    assert oldest not in entries(cache)
