"""`evaluate FOLDER` asks real predictors about real files and prints the figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codecompose_ls.cli import main
from codecompose_ls.evaluation import runner
from codecompose_ls.evaluation.results import Outcome, Results
from codecompose_ls.evaluation.runner import judge as runner_judge
from tests.models import tiny_model


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


def test_models_and_arms_side_by_side(
    folder: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tiny_model(tmp_path / "models" / "other", seed=1)
    asked = ["evaluate", str(folder / "one"), str(folder / "two"), "--model", str(tiny), "--model", str(other)]
    kept = ["--output", str(tmp_path / "report")]
    assert main([*asked, "--arms", "floor,full,no-suffix,prefix", "--cases", "3", *kept]) == 0
    printed = capsys.readouterr()
    results = Results.load(tmp_path / "report")
    predictors = {"floor", *(f"{name}{arm}" for name in ("tiny", "other") for arm in ("", " no-suffix", " prefix"))}
    assert {row.predictor for row in results.rows} == {one.predictor for one in results.outcomes} == predictors
    assert len(results.outcomes) == 6 * len(predictors)
    assert len(results.comparisons) == 21 * 3  # pairs of seven, for two kinds and both together
    assert {row.perplexity is None for row in results.rows if row.predictor == "floor"} == {True}
    assert all(row.perplexity and row.perplexity.value > 1 for row in results.rows if row.predictor != "floor")
    assert set(results.conditions["models"]) == {"tiny", "other"}
    assert "McNemar" in printed.out and "sacrebleu" in printed.out and "results.json" in printed.err


def test_no_code_leaves_unless_it_is_asked_for(folder: Path, tmp_path: Path) -> None:
    asked = ["evaluate", str(folder), "--no-model", "--cases", "4", "--output", str(tmp_path / "report")]
    assert main(asked) == 0
    told = (tmp_path / "report" / "results.json").read_text()
    assert "compute" not in told and ".py" not in told and str(tmp_path) not in told
    assert main([*asked, "--keep-code"]) == 0
    assert "compute" in (tmp_path / "report" / "results.json").read_text()


@pytest.fixture
def repository(folder: Path) -> Path:
    """Two commits; the second adds a line to each of two files."""
    root = folder / "one"

    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=b", *arguments], check=True)

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    for name, line in (("m0.py", "later = compute(9, scale=2)\n"), ("m1.py", "latest = compute(10, scale=2)\n")):
        (root / name).write_text(line + (root / name).read_text())
    git("commit", "--quiet", "--all", "--message", "second")
    return root


def test_sessions_of_a_repository(
    repository: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["evaluate", str(repository), "--since", "HEAD~1", "--sessions", "--model", str(tiny)]
    assert main([*asked, "--arms", "full,no-session", "--output", str(tmp_path / "report")]) == 0
    results = Results.load(tmp_path / "report")
    assert results.conditions["sessions"] is True
    # One line of each kind from the one commit.
    assert {(one.predictor, one.kind) for one in results.outcomes} == {
        (predictor, kind) for predictor in ("tiny", "tiny no-session") for kind in ("mid_line", "line_start")
    }
    assert len(results.outcomes) == 4
    assert "no-session" in capsys.readouterr().out


def test_history_of_a_repository(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(repository), "--since", "HEAD~1", "--no-model", "--json"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert max(row["n"] for row in found["rows"]) == 2
    assert (found["conditions"]["history"]["one"]["added"], found["conditions"]["history"]["one"]["asked"]) == (2, 2)
    assert "2 of 2 lines added" in printed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "no such folder"),
        (["."], "no source files"),
        (["one", "--language", "go"], "no go files"),
        (["one/a.py"], "is a file; name a folder"),
        (["one", "--cases", "0"], "at least 1"),
        (["one", "--output", "/dev/null"], "--output /dev/null: there is a file of that name"),
        (["one", "--output", "/dev/null/x"], "--output /dev/null/x: it cannot be written to"),
        (["one", "--arms", "no-such"], "no arm 'no-such'"),
        (["one", "--since", "1d"], "no git repository"),
        (["one", "--sessions"], "--sessions needs --since"),
        (["one", "--model", "nowhere"], "no model 'nowhere'"),
    ],
)
def test_bad_input_gets_one_clear_line(
    tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one").mkdir()
    if arguments[0].startswith("one"):
        (tmp_path / "one" / "a.py").write_text("x = 1\n")
    assert main(["evaluate", str(tmp_path / arguments[0]), *arguments[1:]]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1


@pytest.fixture
def infilling(tmp_path: Path) -> Path:
    """The data folder of HumanEval-Infilling with three tasks of ours."""
    (tmp_path / "data").mkdir()
    task = {
        "prompt": "def double(x):\n",
        "canonical_solution": "    y = 2 * x\n",
        "suffix": "    return y\n",
        "test": "def check(candidate):\n    assert candidate(2) == 4\n",
        "entry_point": "double",
    }
    tasks = [json.dumps({"task_id": f"HumanEval/{number}/L1", **task}) for number in range(3)]
    for name in ("SingleLine", "MultiLine"):
        (tmp_path / "data" / f"HumanEval-{name}Infilling.jsonl").write_text("\n".join(tasks) + "\n")
    return tmp_path / "data"


@pytest.mark.parametrize("split", ["single-line", "multi-line"])
def test_a_benchmark_is_measured_and_kept(
    split: str, infilling: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["evaluate", "--benchmark", "humaneval-infilling", "--data", str(infilling), "--split", split]
    assert main([*asked, "--model", str(tiny), "--output", str(tmp_path / "report")]) == 0
    assert "pass@1" not in capsys.readouterr().out
    results = Results.load(tmp_path / "report")
    assert [(row.kind, row.n, row.pass_at_1) for row in results.rows] == [(split, 3, None)]
    assert results.conditions["run_code"] is False and set(results.conditions["models"]) == {"tiny"}
    assert "Completion of HumanEval-Infilling" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


def test_code_is_run_only_when_asked_for_and_said_so(
    infilling: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["evaluate", "--benchmark", "humaneval-infilling", "--data", str(infilling), "--model", str(tiny)]
    assert main([*asked, "--cases", "2", "--run-code", "--json"]) == 0
    printed = capsys.readouterr()
    (row,) = json.loads(printed.out)["rows"]
    assert row["n"] == 2 and row["pass_at_1"]["value"] == 0
    assert "programs that a model wrote are run, in a sandbox" in printed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the folder of a project, or a --benchmark"),
        (["--benchmark", "humaneval-infilling"], "openai/human-eval-infilling"),
        (["--benchmark", "humaneval-infilling", "--data", "nowhere"], "openai/human-eval-infilling"),
        (["--benchmark", "humaneval-infilling", "somewhere"], "not from somewhere"),
        (["--benchmark", "humaneval-infilling", "--data", ".", "--since", "90d"], "--since is for folders"),
        (["--benchmark", "humaneval-infilling", "--data", ".", "--no-suffix"], "--no-suffix is for folders"),
        ([".", "--run-code"], "are for a --benchmark"),
        ([".", "--cases", "0"], "at least 1"),
    ],
)
def test_a_wrong_request_costs_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are text")
def test_odd_names_are_names_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    for number, name in enumerate((b"caf\xe9.py", b"new\nline.py", b"-rf.py", b'quote".py', "größe.py".encode())):
        with open(folder + b"/" + name, "w") as file:
            file.write("".join(f"value_{number}_{line} = compute({line}, scale=2)\n" for line in range(8)))
    output = tmp_path / "report"
    assert main(["evaluate", os.fsdecode(folder), "--no-model", "--per-file", "2", "--output", str(output)]) == 0
    assert len(Results.load(output).outcomes) == 10
    assert (output / "report.html").stat().st_size


def test_a_run_that_is_stopped_says_how_it_goes_on(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["evaluate", str(folder / "one"), "--no-model", "--cases", "4"]
    answered = 0

    def judge(*arguments: Any, **options: Any) -> Outcome:
        nonlocal answered
        answered += 1
        if answered == 3:
            raise KeyboardInterrupt
        return runner_judge(*arguments, **options)

    monkeypatch.setattr(runner, "judge", judge)
    assert main(asked) == 130
    assert "the same command goes on from here" in capsys.readouterr().err
    assert main(asked) == 0
    # The third once more, and those after it.
    assert answered == 3 + 6
