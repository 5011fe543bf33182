"""A comparison asks each model with the weights that its name stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from codecompose_ls.evaluation.comparison import Comparison
from codecompose_ls.evaluation.hidden_lines import Source, draw
from codecompose_ls.evaluation.projects import project_at
from codecompose_ls.models import registry
from codecompose_ls.settings import Settings
from tests import adapters
from tests.models import tiny_model


async def test_an_adapter_answers_with_its_own_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path / "data"))
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "greet.py").write_text("def greet(name):\n    return f'hello {name}'\n" * 9)
    base = registry.add(tiny_model(tmp_path / "tiny"), "tiny")
    tuned = adapters.lora(tmp_path / "tuned", base)
    project = project_at(tmp_path / "shop", name="shop")
    cases = draw([Source(project, project)], cases=2)

    models = [str(base), str(tuned)]
    outcomes = await Comparison(cases=cases, settings=Settings(), models=models, arms=["no-index"]).run()

    assert [one.predictor for one in outcomes[:: len(cases)]] == ["tiny no-index", "tuned no-index"]
    base_said, tuned_said = ([one.logprob for one in outcomes[at : at + len(cases)]] for at in (0, len(cases)))
    assert all(ours != theirs for ours, theirs in zip(base_said, tuned_said, strict=True))
