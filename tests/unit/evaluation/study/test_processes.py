"""How many cells are done at a time, and that each has a name under its own conditions."""

from dataclasses import replace
from pathlib import Path

from codecompose_ls.evaluation.study.cell import Cell, Part
from codecompose_ls.evaluation.study.journal import Task
from codecompose_ls.evaluation.study.processes import MEMORY_OF_TORCH, MEMORY_PER_BYTE, free_memory, workers_for
from codecompose_ls.tuning.corpus import Document
from codecompose_ls.tuning.tuning_recipe import TuningRecipe

TASK = Task(
    cell=Cell(Part.STRATEGIES, "p", "custom", "lcm", 0),
    base=Path("base"),
    base_hash="b",
    recipe=TuningRecipe(),
    training=(Document("p", "a.py", "python", "x = 1\n"),),
    validation=(),
    cases=(),
    candidates=5,
    prompt_tokens=512,
)


def test_as_many_cells_as_cores_where_memory_has_room_and_one_at_least(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(bytes(1_000_000))
    each = MEMORY_PER_BYTE * 1_000_000 + MEMORY_OF_TORCH
    assert workers_for(tmp_path, cores=8, memory=100 * each) == 8
    assert workers_for(tmp_path, cores=8, memory=3 * each + 1) == 3
    assert workers_for(tmp_path, cores=8, memory=0) == 1
    assert free_memory() > 0


def test_a_cell_has_another_key_under_any_other_condition() -> None:
    other = (Document("p", "a.py", "python", "x = 2\n"),)
    changed = [
        replace(TASK, base_hash="c"),
        replace(TASK, cell=replace(TASK.cell, fold=1)),
        replace(TASK, recipe=TuningRecipe(epochs=9)),
        replace(TASK, recipe=None),
        replace(TASK, training=other),
        replace(TASK, validation=other),
        replace(TASK, candidates=1),
        replace(TASK, prompt_tokens=1),
        replace(TASK, code="other"),
    ]
    assert len({task.key for task in (TASK, *changed)}) == 10
    # Where the base lies does not matter, only what it is.
    assert replace(TASK, base=Path("elsewhere")).key == TASK.key
