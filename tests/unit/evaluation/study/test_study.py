"""A whole study on two tiny projects with a tiny base: every table and figure comes out, and a second run goes on."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from codecompose_ls import folders
from codecompose_ls.cli import main
from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.hidden_lines import Case
from codecompose_ls.evaluation.study.answers import Answer
from codecompose_ls.evaluation.study.cell import Asked, Part
from codecompose_ls.evaluation.study.execution import run
from codecompose_ls.evaluation.study.journal import CellJournal
from codecompose_ls.evaluation.study.plan import PRESETS, Plan, lay_out, options
from codecompose_ls.evaluation.study.report import tables
from codecompose_ls.evaluation.study.results import Study
from codecompose_ls.evaluation.study.worker import judge, run_cell
from codecompose_ls.models.model import content_hash

SIZES = {
    "strategies": ("custom", "lora"),
    "folds": 3,
    "rotations": 1,
    "tokens": 1_500,
    "objective_tokens": 1_500,
    "epochs": 1.0,
    "validations": 2,
    "validation_tokens": 512,
    "length": 64,
    "language_strategies": ("custom", "lora_autodev"),
    "language_tokens": 1_000,
    "language_epochs": 1.0,
    "language_validations": 2,
    "cases": 3,
    "candidates": 2,
    "prompt_tokens": 64,
}


@pytest.fixture(scope="module")
def plan(tiny: Path, ruby: Path) -> Plan:
    return Plan(base=tiny, base_hash=content_hash(tiny), language_from=ruby, **SIZES)


@pytest.fixture(scope="module")
def study(plan: Plan, projects: list[Path]) -> Study:
    return run(lay_out(plan, projects), workers=1)


def test_every_cell_is_tuned_and_asked_the_same_questions(study: Study) -> None:
    cells = [str(one.cell) for one in study.cells]
    assert cells == [
        *(f"{project}, {name}, fold 0" for project in ("ship", "tree") for name in ("base", "custom", "lora")),
        *(f"all, {objective}, fold 0" for objective in ("cm", "lcm")),
        *(f"ruby, {arm}, fold 0" for arm in ("custom", "lora_autodev")),
    ]
    asked = {one.cell.strategy: [case.case for case in one.asked] for one in study.cells if one.cell.project == "ship"}
    assert len(asked["base"]) == 6
    assert asked["base"] == asked["custom"] == asked["lora"]
    for one in study.cells:
        assert (one.tuning is None) == (one.cell.strategy == "base")
        if one.tuning is not None:
            assert one.tuning.curve[0].step == 0 and one.tuning.curve[-1].pf_seconds > 0


def test_tuning_lowers_the_loss_and_what_is_frozen_costs_nothing(study: Study) -> None:
    of = {(one.cell.project, one.cell.strategy): one.tuning for one in study.of(Part.STRATEGIES) if one.tuning}
    for tuning in of.values():
        assert tuning.best.loss < tuning.curve[0].loss
    changed = {f"{stack} {index}": change for stack, index, change in of["ship", "custom"].changes}
    assert list(changed) == ["other -1", "decoder 0", "decoder 1"]
    assert all(change > 0 for change in changed.values())
    assert of["ship", "lora"].changes == ()


def test_all_tables_of_the_seeds_come_out_of_it(study: Study) -> None:
    found = {table.name: table for table in tables(study)}
    assert list(found) == [
        "bleu4", "perplexity", "significance", "p_values_bleu4", "p_values_perplexity", "perfect_matches",
        "abstracted_matches", "style", "cost", "changes", "by_language", "perplexity_by_steps", "projects",
        "shared_tokens", "parameters",
    ]  # fmt: skip
    assert [row[:2] for row in found["bleu4"].rows] == [("ship", 6), ("tree", 6), ("average", 12)]
    assert all(value is not None for name in ("bleu4", "perplexity") for row in found[name].rows for value in row)
    assert [row[:2] for row in found["by_language"].rows] == [("python", "base"), ("python", "cm"), ("python", "lcm")]
    steps = found["perplexity_by_steps"]
    assert [column.name for column in steps.columns[1:3]] == ["custom", "lora_autodev"]
    assert steps.rows[0][3:] == (1.0, 1.0)
    bart = {row[1]: row[2:4] for row in found["parameters"].rows if row[0] == "BART-large"}
    assert bart["custom"] == (406_291_456, 406_291_456)


def test_what_it_keeps_has_no_code_in_it_and_can_be_read_again(study: Study, tmp_path: Path) -> None:
    path = study.save(tmp_path)
    assert Study.load(tmp_path) == study
    text = path.read_text(encoding="utf-8")
    assert "load_ship" not in text and "store_" not in text and str(tmp_path.parent) not in text


def test_a_run_that_was_cut_off_goes_on_and_comes_to_the_same(study: Study, plan: Plan, projects: list[Path]) -> None:
    laid = lay_out(plan, projects)
    journals = {task.cell: folders.cache() / "studies" / task.key / "journal.jsonl" for task in laid.tasks}
    untouched = {cell: path.read_bytes() for cell, path in journals.items()}
    cut = laid.tasks[1].cell
    # As a kill leaves it: in the midst of the line of the third case.
    lines = untouched[cut].splitlines(keepends=True)
    journals[cut].write_bytes(b"".join(lines[:3]) + lines[3][:20])
    again = run(laid, workers=1)
    assert [one.asked for one in again.cells] == [one.asked for one in study.cells]
    assert {cell for cell, path in journals.items() if path.read_bytes() != untouched[cell]} == {cut}
    assert journals[cut].read_bytes().startswith(b"".join(lines[:3]))
    assert not any((path.parent / "model").exists() for path in journals.values())


def test_processes_side_by_side_go_on_from_what_one_alone_has_found(
    study: Study, plan: Plan, projects: list[Path]
) -> None:
    assert [one.asked for one in run(lay_out(plan, projects), workers=2).cells] == [one.asked for one in study.cells]


def test_the_command_writes_tables_figures_and_a_page(
    study: Study, projects: list[Path], tiny: Path, ruby: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = SIZES | {"language_from": ruby, "model": tiny, "workers": 1}
    arguments = [f"--{name.replace('_', '-')}={_spelled(value)}" for name, value in given.items()]
    output = tmp_path / "out"
    assert main(["evaluate", "study", *map(str, projects), *arguments, "--output", str(output)]) == 0
    assert "## BLEU4 by project" in capsys.readouterr().out
    names = {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}
    assert {"study.html", "study.md", "study.json", "tables/bleu4.csv", "tables/bleu4.md"} <= names
    assert {path.stem for path in (output / "figures").iterdir()} == {
        "shared_tokens", "style", "losses", "changes", "perplexity_by_steps",
    }  # fmt: skip
    page = (output / "study.html").read_text(encoding="utf-8")
    assert page.count("<h2>") == 16 and "<script" not in page and "http" not in page.replace("http://www.w3.org", "")
    assert json.loads((output / "study.json").read_text(encoding="utf-8"))["conditions"]["base"] == tiny.name


def test_a_folder_called_study_is_still_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "./study"]) == 2
    assert "no source files to measure" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--folds", "2"], "--folds 2"),
        (["--rotations", "5"], "--rotations 5: there are 4 folds"),
        (["--cases", "0"], "--cases must be at least 1"),
        (["--strategies", "base"], "'base' is always there"),
        (["--strategies", "magic"], "no strategy 'magic'"),
        (["--language-from", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_bad_input_is_one_clear_line(
    arguments: list[str], said: str, projects: list[Path], tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "study", str(projects[0]), "--model", str(tiny), *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


def test_presets_set_only_what_can_be_overridden() -> None:
    for preset in PRESETS.values():
        assert set(preset) <= set(options())
    with pytest.raises(InputError):
        lay_out(Plan(base=Path(), base_hash=""), [Path("nowhere")])


def _spelled(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def test_its_help_shows_an_example_and_names_the_presets(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["evaluate", "study", "--help"])
    shown = capsys.readouterr().out
    assert "usage: codecompose-ls evaluate study" in shown and "example: codecompose-ls evaluate study" in shown
    assert "--preset {small,full}" in shown


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"tokens": 0}, "--tokens must be at least 1, not 0"),
        ({"language_tokens": -5}, "--language-tokens must be at least 1"),
        ({"projects": 0}, "--projects must be at least 1"),
        ({"validations": 0}, "--validations must be at least 1"),
        ({"epochs": float("nan")}, "--epochs must be more than 0"),
        ({"length": 1}, "--length must be at least 32, not 1"),
        ({"rotations": 9}, "--rotations 9"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused_before_anything_is_read(
    option: dict[str, float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        lay_out(Plan(base=Path(), base_hash="", **option), [Path("nowhere")])


def test_two_studies_do_not_do_a_cell_at_once(
    plan: Plan, projects: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = replace(plan, strategies=(), objectives=(), language_from=None, prompt_tokens=48)
    task = lay_out(alone, projects[:1]).tasks[0]
    judged: list[str] = []

    def counted(case: Case, answer: Answer) -> Asked:
        judged.append(case.id)
        return judge(case, answer)

    monkeypatch.setattr("codecompose_ls.evaluation.study.worker.judge", counted)
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(run_cell, [task, task])
    assert first == second
    assert judged == [case.id for case in task.cases]


def test_a_line_of_a_journal_that_says_nothing_is_cut_off(plan: Plan, projects: list[Path]) -> None:
    task = lay_out(replace(plan, strategies=(), objectives=(), language_from=None, seed=9), projects[:1]).tasks[0]
    path = folders.cache() / "studies" / task.key / "journal.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"case": "x"}\n{}\n')
    with closing(CellJournal(task)) as journal:
        assert journal.asked == {} and journal.waiting
    assert path.read_text() == ""
