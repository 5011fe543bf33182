"""What every test has: folders of its own instead of the user's, and property tests that always draw the same cases."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples every time; how long a busy machine takes to draw them says nothing about us.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point cache, data and settings at empty folders; servers that tests start inherit it."""
    folder = tmp_path_factory.mktemp("codecompose")
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith("CODECOMPOSE_")]:
        if name != "CODECOMPOSE_REQUIRE_EDITORS":
            patch.delenv(name)
    patch.setenv("CODECOMPOSE_CACHE", str(folder / "cache"))
    patch.setenv("CODECOMPOSE_DATA", str(folder / "data"))
    patch.setenv("CODECOMPOSE_CONFIG", str(folder / "settings.toml"))
    patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    yield
    patch.undo()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model with random weights."""
    from tests.models import tiny_model

    return tiny_model(tmp_path_factory.mktemp("model") / "tiny")
