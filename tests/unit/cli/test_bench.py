"""The table of `bench typing`: budgets are kept or missed, and a peer is told as a ratio to our own row."""

from __future__ import annotations

import json

import pytest

from codecompose_ls.cli import bench, main
from codecompose_ls.lsp.client.budgets import ROWS, Bench, Measurement, Row

OURS = Measurement(Row("a key", 50, Bench.key), (10.0, 20.0, 30.0))
PEER = Measurement(Row("a key, by a peer", None, Bench.peer_key, peer_of="a key"), (80.0, 90.0))


def test_the_peer_of_a_row_is_told_in_times_of_our_median() -> None:
    assert bench._as_json(PEER, [OURS, PEER])["ratio_p50"] == 4.25
    assert bench._verdict(PEER, [OURS, PEER]) == "4.2 times ours (p50)"


def test_a_peer_measured_alone_has_no_ratio_and_no_verdict() -> None:
    found = bench._as_json(PEER, [PEER])
    assert found["ratio_p50"] is None and found["holds"] is None
    assert bench._verdict(PEER, [PEER]) == ""


def test_a_budget_holds_for_the_p95() -> None:
    assert OURS.p95 == 29.0
    assert OURS.holds
    assert not Measurement(Row("a key", 28, Bench.key), OURS.samples).holds


def test_a_row_without_samples_is_null_in_json() -> None:
    empty = Measurement(OURS.row, ())
    assert json.loads(json.dumps(bench._as_json(empty, [empty])))["p95"] is None
    assert bench._as_json(PEER, [empty, PEER])["ratio_p50"] is None


def test_every_peer_names_a_row_before_it() -> None:
    names = [row.name for row in ROWS]
    peers = [row for row in ROWS if row.peer_of]
    assert peers
    for row in peers:
        assert names.index(row.peer_of) < names.index(row.name)
        assert row.budget is None


def test_a_row_that_is_not_there_is_refused_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "typing", "--only", "nonsense"]) == 2
    assert "didChange while generating" in capsys.readouterr().err


def test_an_unknown_model_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "typing", "--model", "nowhere"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
