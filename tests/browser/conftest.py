"""The dashboard in a real headless Chromium, served by the command that users start; `make editors` installs Chromium.

A missing browser skips these tests and says how to get it, unless CODECOMPOSE_REQUIRE_EDITORS=1.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from codecompose_ls.telemetry.feedback import Feedback, keep
from tests.editors.conftest import ARTEFACTS, require
from tests.editors.vscode import CHROMIUM_OPTIONS, chromium
from tests.month import write, write_record

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

DATABASE = "telemetry.sqlite3"
RECORD = "rollout.jsonl"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: drives a real browser, installed by `make editors`")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@contextmanager
def dashboard(folder: Path) -> Iterator[str]:
    """Serve the database of a data folder by the command; the value is the page's address."""
    command = [sys.executable, "-m", "codecompose_ls", "dashboard", "--port", "0", "--no-browser"]
    environment = {**os.environ, "CODECOMPOSE_DATA": str(folder)}
    with subprocess.Popen(
        [*command, "--record", folder / RECORD], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found, "the command has not said where the dashboard is"
            yield found[0]
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a developer who has used it for five weeks."""
    folder = tmp_path_factory.mktemp("month")
    write(folder / DATABASE)
    write_record(folder / RECORD)
    for said in (
        Feedback("down", "It suggests the old API of our client, again and again.", themes=("context", "stale api")),
        Feedback("up", "", "assistant", "docstring", "python", "shop-tuned", "vscode", "treatment"),
    ):
        keep(folder / DATABASE, said)
    return folder


@pytest.fixture(scope="session")
def address(month: Path) -> Iterator[str]:
    require(**{"Chromium": chromium(), "playwright": find_spec("playwright"), "pygal": find_spec("pygal")})
    with dashboard(month) as address:
        yield address


@pytest.fixture(scope="session")
def browser(address: str) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open an address in a window of its own; at the end nothing may have complained or left this machine."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def opened(address: str, **options: object) -> Page:
        context = browser.new_context(viewport={"width": 1100, "height": 900}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.extend(_elsewhere(request.url, address)))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(opened: Callable[..., Page], address: str) -> Page:
    """The page as it opens."""
    return opened(address)


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Where screenshots go."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    return ARTEFACTS


def _elsewhere(url: str, address: str) -> list[str]:
    return [] if urlsplit(url)[:2] == urlsplit(address)[:2] else [f"asked for {url}"]
