"""`evaluate FOLDER` asks real predictors about real files and prints the figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codecompose_ls.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for number in range(3):
            lines = [f"{name}_{line} = compute({line}, scale=2)\n" for line in range(8)]
            (tmp_path / name / f"m{number}.py").write_text("".join(lines))
    return tmp_path


def test_the_model_and_the_floor_on_the_same_cases(
    folder: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(folder), "--each", "--floor", "--model", str(tiny), "--cases", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {(row["predictor"], row["kind"], row["n"]) for row in found["rows"]} == {
        (predictor, kind, n)
        for predictor in ("floor", tiny.name)
        # Two from each project, then both together.
        for kind, n in (*((kind, n) for kind in ("mid_line", "line_start") for n in (2, 4)), ("all", 4), ("all", 8))
    }
    assert found["conditions"]["cases"] == 4 and found["conditions"]["suffix"] is True
    assert set(found["conditions"]["models"]) == {tiny.name}
    assert {comparison["kind"] for comparison in found["comparisons"]} == {"all", "mid_line", "line_start"}
    assert "outcomes" not in found


def test_a_table_for_people(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(folder), "--no-model", "--cases", "2", "--no-suffix"]) == 0
    printed = capsys.readouterr().out
    assert "floor" in printed and "line_start" in printed and "mid_line" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "no such folder"),
        (["."], "no source files"),
        (["one", "--language", "go"], "no go files"),
        (["one", "--cases", "0"], "at least 1"),
    ],
)
def test_bad_input_gets_one_clear_line(
    tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one").mkdir()
    if arguments[0] == "one":
        (tmp_path / "one" / "a.py").write_text("x = 1\n")
    assert main(["evaluate", str(tmp_path / arguments[0]), *arguments[1:], "--no-model"]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1
