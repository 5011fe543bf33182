"""Results survive the way to a file and back, and a file that holds none says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.metrics import Interval
from codecompose_ls.evaluation.results import ALL, FILE, Outcome, Pair, Results, Row

OUTCOME = Outcome(
    predictor="base",
    case="0123456789abcdef",
    project="p",
    path_hash="89abcdef0123",
    language="python",
    kind="mid_line",
    hit=True,
    edit_similarity=1.0,
    hidden_chars=8,
    answered=True,
    reason="",
    latency_ms=31.5,
    confidence=0.75,
    tokens=3,
    logprob=-1.5,
    bleu=(3, 2, 1, 0, 3, 2, 1, 0, 3, 3),
)
ROW = Row(
    predictor="base",
    project=ALL,
    kind="mid_line",
    language="python",
    n=1,
    exact_match=Interval(1.0, 0.2, 1.0),
    edit_similarity=Interval(1.0, 1.0, 1.0),
    characters_saved=Interval(1.0, 1.0, 1.0),
    answered=Interval(1.0, 0.2, 1.0),
    bleu=None,
    perplexity=Interval(1.65, 1.65, 1.65),
    bits_per_character=None,
    p50_ms=31.5,
    p95_ms=31.5,
    reasons={"empty": 2},
)
RESULTS = Results({"seed": 0}, (ROW,), (Pair("base", "floor", ALL, 10, 4, 1, 0.375, 0.75),), (OUTCOME,))


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    path = RESULTS.save(tmp_path / "new" / "folder")
    assert path.name == FILE
    assert Results.load(path) == Results.load(path.parent) == RESULTS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "no results"),
        ("[]", "no results"),
        ("{}", "no results"),
        (json.dumps(RESULTS.to_json() | {"version": 99}), "version 99"),
        (json.dumps(RESULTS.to_json() | {"outcomes": [{"hit": True}]}), "no results"),
    ],
)
def test_a_file_of_another_kind_says_so(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(InputError, match=message):
        Results.load(tmp_path)


def test_a_missing_file_and_a_folder_that_cannot_be_made_say_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Results.load(tmp_path / "none.json")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        RESULTS.save(tmp_path / "file")
