"""VS Code without a server: it leads to one, installs it into an environment of its own, and then suggests.

The wheel is real. What it needs comes from the environment of the tests (PYTHONPATH): no package index is asked.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from codecompose_ls.models import registry
from tests.editors import vscode
from tests.editors.conftest import require
from tests.editors.polling import seen, until
from tests.editors.project import BEGIN, REST, line_before_body, write_project
from tests.editors.server import ROOT, Server
from tests.editors.vscode import VSCode
from tests.models import tiny_model

#: VS Code would take the PATH of a login shell; this one has nothing to say.
SHELL = shutil.which("false") or ""
ENVIRONMENT = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PYTHONPATH": sysconfig.get_path("purelib")}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    return Server(data=tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server as `make wheel` builds it."""
    require(hatchling=find_spec("hatchling"))
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run(build, check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def window(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VSCode]:
    """A window on a workspace of two folders, with a PATH that nothing is on."""
    require(**vscode.needs())
    home = tmp_path_factory.mktemp("vscode")
    (home / "bin").mkdir()
    file = write_project(home / "shop")
    other = home / "reports"
    other.mkdir()
    (other / "report.py").write_text("print(")
    (other / "report.js").write_text("print(")
    (other / ".codecompose.toml").write_text('disabled_languages = ["javascript"]\n')
    workspace = home / "both.code-workspace"
    workspace.write_text('{"folders": [{"path": "shop"}, {"path": "reports"}]}')
    with vscode.running(
        server,
        file,
        home=home,
        workspace=workspace,
        command=["codecompose-ls", "lsp"],
        SHELL=SHELL,
        PATH=str(home / "bin"),
        **ENVIRONMENT,
    ) as opened:
        yield opened


def test_the_walkthrough_installs_a_wheel(window: VSCode, server: Server, wheel: Path, artefacts: Path) -> None:
    window.page.locator("h2", has_text="Get Started with CodeCompose LS").wait_for()
    assert "not installed" in window.status()
    window.capture(artefacts / "vscode-walkthrough.png")

    window.page.get_by_role("button", name="Install the Server").click()
    choose_wheel(window, wheel)
    until(lambda: "no Python 3.10 or newer was found" in window.notification(), "why it cannot be installed")
    (window.profile.home / "bin" / "python3").symlink_to(Path(sys.executable).resolve())
    broken = window.profile.home / "broken.whl"
    broken.touch()
    window.click_status()
    choose_wheel(window, broken)
    until(lambda: "pip could not install broken.whl: " in window.notification(), "why pip failed")
    window.click_status()
    choose_wheel(window, wheel)
    window.page.locator(".notification-toast").get_by_role("button", name="Cancel").click()
    until(lambda: not installations(window), "what was begun to be removed")

    window.click_status()
    choose_wheel(window, wheel)
    until(lambda: "'base'" in window.status() and window.is_ready(), "the server to start", seconds=180)
    assert window.page.get_by_role("checkbox", name="Get the server", checked=True).count() == 1

    window.open("basket.py")
    window.at_end_of_line(line_before_body(window.file))
    window.press("Enter")
    window.write(BEGIN)
    assert window.type_until_ghost(REST)
    server.until_counted(shown=1)


def installations(window: VSCode) -> list[Path]:
    """What the extension has installed, or begun to."""
    return list(window.profile.home.glob("user/User/globalStorage/codecompose.codecompose-ls/server-*"))


def choose_wheel(window: VSCode, wheel: Path) -> None:
    window.choose("From a Wheel...")
    dialog = window.page.locator(".quick-input-title", has_text="The Wheel of the Server")
    dialog.wait_for()

    def chosen() -> bool:
        window.box().fill(str(wheel))
        seen(window.choices().filter(has_text=wheel.name).count, seconds=2)
        window.press("Enter")
        return seen(lambda: not dialog.is_visible(), seconds=2)

    until(chosen, "the dialog, which may still have read another folder, to take the file")


def test_each_folder_has_its_settings_and_its_model(
    window: VSCode, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODECOMPOSE_DATA", str(server.data))
    registry.add(tiny_model(tmp_path / "tiny"), "reports-tuned")
    registry.promote("reports-tuned", window.file.parents[1] / "reports", force=True)
    window.open("report.js")
    until(lambda: "switched off for javascript" in window.status(), "the folder's own setting")
    window.open("report.py")
    until(lambda: "model 'reports-tuned'" in window.status(), "the folder's own model")
    window.open("basket.py")
    until(lambda: "model 'base'" in window.status(), "the other folder's")


def test_a_missing_server_is_said_in_one_line(window: VSCode) -> None:
    window.profile.configure(command=["codecompose-ls-of-nowhere"])
    until(lambda: "'codecompose-ls-of-nowhere' was not found" in window.notification(), "advice on how to install it")
    assert "not installed" in window.status()
    window.page.get_by_role("button", name="Install...").click()
    window.choices().filter(has_text="From the Package Index").wait_for()
    window.press("Escape")
