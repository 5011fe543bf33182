"""In an evaluation the index knows the case's workspace and its document, and nothing that is hidden."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from codecompose_ls.backends.local import LocalBackend
from codecompose_ls.completion.pipeline import Pipeline
from codecompose_ls.evaluation.hidden_lines import Case, Edit, Kind
from codecompose_ls.evaluation.projects import project_at
from codecompose_ls.evaluation.runner import PipelinePredictor
from codecompose_ls.evaluation.workspaces import Workspaces
from codecompose_ls.index.prior import prior_of
from codecompose_ls.settings import Settings
from codecompose_ls.types import Context
from tests.models import tiny_model

KNOWN = "import logging\n\nlogger = logging.getLogger(__name__)\n\n\ndef stop():\n    logger.warning('stopped')\n"
ASKED = "import logging\n\nlogger = logging."


@pytest.fixture
def case(tmp_path: Path) -> Case:
    root = tmp_path / "project"
    root.mkdir()
    (root / "known.py").write_text(KNOWN, encoding="utf-8")
    (root / "asked.py").write_text("as_it_was = logging.the_old_version\n", encoding="utf-8")
    project = project_at(root, name="project")
    return Case(project, "asked.py", "python", Kind.MID_LINE, ASKED, len(ASKED), "getLogger(__name__)")


async def predicted(case: Case, workspaces: Workspaces, model: Path, *, enter: bool) -> str | None:
    backend = LocalBackend(model, prior_of=prior_of(workspaces.locate))
    pipeline = Pipeline(backend, Settings())
    try:
        predictor = PipelinePredictor(pipeline, name="tiny", enter=workspaces.enter if enter else None)
        predictor.prepare(case)
        return (await predictor.predict(case)).text
    finally:
        pipeline.close()
        backend.close()


async def test_a_model_that_knows_nothing_completes_from_the_workspace(case: Case, tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tiny")
    assert await predicted(case, Workspaces(), model, enter=True) == "getLogger(__name__)"
    assert await predicted(case, Workspaces(), model, enter=False) != "getLogger(__name__)"


def test_a_document_is_found_by_its_path_in_the_project(case: Case) -> None:
    workspaces = Workspaces()
    assert workspaces.locate(Context("python", "", "", "", uri="hidden-line:///project/asked.py")) is None
    workspaces.enter(case)
    found = workspaces.locate(Context("python", "", "", "", uri="hidden-line:///project/asked.py"))
    assert found is not None
    assert found[1] == "asked.py"
    assert found[0].paths() == ["asked.py", "known.py"]
    assert workspaces.locate(Context("python", "asked.py", "", "")) is None


def test_the_same_project_is_indexed_once(case: Case) -> None:
    workspaces = Workspaces()
    workspaces.enter(case)
    context = Context("python", "", "", "", uri="hidden-line:///project/asked.py")
    before = workspaces.locate(context)
    workspaces.enter(case)
    after = workspaces.locate(context)
    assert before is not None
    assert after is not None
    assert before[0] is after[0]


def test_edits_that_came_before_a_case_are_made_for_it_alone(case: Case) -> None:
    workspaces = Workspaces()
    edited = KNOWN + "logger.info('typed lately')\n"
    mine = Edit("asked.py", "import logging\n", ASKED)
    session = replace(case, edits=(Edit("known.py", KNOWN, edited), Edit("new.py", "", "new = 1\n"), mine))
    context = Context("python", "", "", "", uri="hidden-line:///project/asked.py")

    workspaces.enter(session)
    workspace, path = workspaces.locate(context) or (None, "")
    assert workspace is not None
    assert workspace.paths() == ["asked.py", "known.py", "new.py"]
    newer, _ = workspace.view().sources[-1]
    assert newer.fresh is not None
    assert workspace.vocabulary.decode(newer.tokens[newer.fresh].tolist()) == "logger.info('typed lately')\nnew = 1\n"
    assert workspace.fresh(path, "import logging\nline = 1\n", "\n")[0] is not None

    workspaces.enter(session, session=False)
    newer, _ = workspace.view().sources[-1]
    assert newer.fresh is None
    assert workspace.fresh(path, "import logging\nline = 1\n", "\n") == (None, None)

    workspaces.enter(case)
    assert workspace.paths() == ["asked.py", "known.py"]
