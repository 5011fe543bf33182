"""What an index costs is measured on what a folder holds, without touching the folder or the user's cache."""

import os
from pathlib import Path

import pytest

from codecompose_ls.errors import InputError
from codecompose_ls.index.costs import measure


def test_a_folder_is_measured_and_left_as_it_was(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"f{number}.py").write_text(f"def function_{number}(argument):\n    return argument\n" * 20)
    before, cache = sorted(tmp_path.iterdir()), os.environ["CODECOMPOSE_CACHE"]
    costs = measure(tmp_path)
    assert (costs.files, costs.code_bytes) == (5, sum(file.stat().st_size for file in before))
    assert costs.lexemes > 5 * 20 * 10
    assert min(costs.build_ms, costs.rebuild_ms, costs.load_ms, costs.update_p95_ms, costs.lookup_p95_ms) > 0
    assert costs.update_p95_ms <= costs.update_max_ms
    assert costs.disk_bytes > 4 * costs.lexemes
    assert sorted(tmp_path.iterdir()) == before
    assert os.environ["CODECOMPOSE_CACHE"] == cache


def test_a_folder_without_code_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("no code")
    with pytest.raises(InputError, match="no source files"):
        measure(tmp_path)
