"""Real editors with the built extension, the real server and the shipped model; `scripts/editors.sh` installs them.

No test depends on what the model suggests, only on that it suggests something.

A test needs what it needs: a missing editor skips it and says how to get it, unless CODECOMPOSE_REQUIRE_EDITORS=1.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.editors.project import write_project
from tests.editors.server import ROOT, Server

# Read now: the tests run without the user's CODECOMPOSE_ variables.
ARTEFACTS = Path(os.environ.get("CODECOMPOSE_ARTEFACTS", ROOT / ".editors" / "artefacts"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "editors: drives a real editor, installed by `make editors`")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.editors)


def require(**there: object) -> None:
    """Skip the test unless all that it needs is there; fail instead where the environment demands the editors."""
    missing = [name.replace("_", " ") for name, found in there.items() if not found]
    if missing:
        reason = f"{' and '.join(missing)} not installed: run 'make editors'"
        pytest.fail(reason) if os.environ.get("CODECOMPOSE_REQUIRE_EDITORS") == "1" else pytest.skip(reason)


@pytest.fixture
def artefacts() -> Path:
    """Where screenshots and terminal captures go."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    return ARTEFACTS


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """The server as an editor starts it, with its counts in a folder of this test."""
    return Server(data=tmp_path / "data")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of a small project, with a function whose body is missing."""
    return write_project(tmp_path / "shop")
