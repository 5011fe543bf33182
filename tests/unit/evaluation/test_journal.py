"""A run that was killed goes on where it was, and one of other conditions begins anew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.journal import Journal, key_of
from codecompose_ls.evaluation.results import Outcome

OUTCOME = Outcome("m", "case0", "p", "file", "python", "mid_line", True, 1.0, 4, True, "", 1.0, bleu=(1,) * 10)
OUTCOMES = [replace(OUTCOME, case=f"case{number}") for number in range(3)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODECOMPOSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def written(key: str) -> Path:
    with closing(Journal(key)) as journal:
        for outcome in OUTCOMES:
            journal.append(outcome)
        return journal.path


def test_outcomes_are_there_again() -> None:
    path = written("k")
    with closing(Journal("k")) as journal:
        assert journal.path == path and list(journal.outcomes.values()) == OUTCOMES
    with closing(Journal("other")) as journal:
        assert not journal.outcomes
    with closing(Journal("k", fresh=True)) as journal:
        assert not journal.outcomes and not path.read_text()


@pytest.mark.parametrize("lost", [1, 2, 40])
def test_a_line_cut_by_a_kill_is_asked_again(lost: int) -> None:
    path = written("k")
    path.write_bytes(path.read_bytes()[:-lost])
    with closing(Journal("k")) as journal:
        assert list(journal.outcomes.values()) == OUTCOMES[:2]
        journal.append(OUTCOMES[2])
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        json.loads(json.dumps(asdict(outcome))) for outcome in OUTCOMES
    ]


def test_whatever_could_change_an_outcome_is_in_the_key() -> None:
    assert key_of({"seed": 0, "arm": "full"}) == key_of({"arm": "full", "seed": 0}) != key_of({"seed": 0})


def test_a_killed_evaluation_goes_on_where_it_was(tmp_path: Path, tiny: Path, cache: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for number in range(20):
        lines = [f"value_{line} = compute({line}, scale={number})\n" for line in range(30)]
        (project / f"m{number}.py").write_text("".join(lines))
    command = [sys.executable, "-m", "codecompose_ls", "evaluate", str(project), "--model", str(tiny), "--json"]
    command += ["--cases", "100", "--per-file", "10"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as first:
        while len(before := lines_in(cache)) < 5:
            assert first.poll() is None, "it was over before it could be killed"
            time.sleep(0.005)
        first.kill()
    before = lines_in(cache)
    assert len(before) < 200
    second = subprocess.run(command, stdout=subprocess.PIPE, env=os.environ, check=True)
    after = lines_in(cache)
    # Nothing was asked twice: what was there is still there, and the rest came after it.
    assert after[: len(before)] == before and len(after) == len({json.loads(line)["case"] for line in after}) == 200
    assert {row["n"] for row in json.loads(second.stdout)["rows"]} == {100, 200}


def lines_in(cache: Path) -> list[str]:
    """Return the whole lines of the one journal there is."""
    journals = list((cache / "evaluations").glob("*.jsonl"))
    text = journals[0].read_text() if journals else ""
    return text[: text.rfind("\n") + 1].splitlines()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_disk_is_one_line_and_what_was_found_before_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Journal("k")) as journal:
        journal.append(OUTCOMES[0])
        with open("/dev/full", "ab", buffering=0) as full, monkeypatch.context() as patch:
            patch.setattr(journal._lines._file, "flush", lambda: full.write(b"."))
            with pytest.raises(InputError, match=r"No space left on device\): .* what is in it is kept") as caught:
                journal.append(OUTCOMES[1])
        assert "\n" not in str(caught.value)
    with closing(Journal("k")) as journal:
        assert list(journal.outcomes.values())[:1] == OUTCOMES[:1]


def test_a_cache_that_cannot_be_written_is_one_line(cache: Path) -> None:
    cache.write_text("no folder")
    with pytest.raises(InputError, match=r"\.jsonl cannot be written \(Not a directory\).*CODECOMPOSE_CACHE"):
        Journal("k")
