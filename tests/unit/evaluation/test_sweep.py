"""What nobody has come back to for a month goes, and nothing else does."""

from __future__ import annotations

import os
import time
from pathlib import Path

from codecompose_ls.evaluation.sweep import FORGOTTEN_S, sweep


def aged(*places: Path) -> None:
    then = time.time() - FORGOTTEN_S - 60
    for place in places:
        os.utime(place, (then, then))


def test_only_what_is_old_in_all_its_parts_goes(tmp_path: Path) -> None:
    for name in ("old", "begun", "current"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "journal.jsonl").write_text("{}\n")
    (tmp_path / "old.jsonl").touch()
    (tmp_path / "new.jsonl").touch()
    old = [tmp_path / name for name in ("old", "current")]
    aged(*(folder / "journal.jsonl" for folder in old))
    # A line that is appended to a journal leaves its folder as old as it was.
    aged(*old, tmp_path / "begun", tmp_path / "old.jsonl")
    sweep(tmp_path, but=tmp_path / "current")
    assert {place.name for place in tmp_path.iterdir()} == {"begun", "current", "new.jsonl"}


def test_there_may_be_nothing_to_sweep(tmp_path: Path) -> None:
    sweep(tmp_path / "nowhere")
