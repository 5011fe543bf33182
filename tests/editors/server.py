"""The real server as editors start it, and what it has counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.editors.polling import seen, until

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).parent / "codecompose-ls"


@dataclass(frozen=True, slots=True)
class Server:
    """`data` is the folder of the counts."""

    data: Path

    @property
    def command(self) -> list[str]:
        return [str(PROGRAM), "lsp"]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of an editor that starts it, and that draws whatever there is."""
        return {**os.environ, "CODECOMPOSE_DATA": str(self.data), "CODECOMPOSE_EAGERNESS": "high"}

    def kill(self) -> None:
        """End it without a word, as a lack of memory would."""
        until(self._processes, "the server to run")
        for process in self._processes():
            process.kill()

    def _processes(self) -> list[psutil.Process]:
        running = psutil.process_iter(["cmdline", "environ"])
        return [process for process in running if self._is_it(process.info)]

    def _is_it(self, process: dict[str, Any]) -> bool:
        command, environment = process["cmdline"] or [], process["environ"] or {}
        return command[-2:] == self.command and environment.get("CODECOMPOSE_DATA") == str(self.data)

    def counts(self) -> dict[str, int]:
        """What `telemetry summary` says now."""
        summary = json.loads(self.run("telemetry", "summary", "--json"))
        return {name: value for name, value in summary.items() if isinstance(value, int)}

    def feedback(self) -> list[dict[str, str]]:
        """What the user has said of suggestions and answers, the first first."""
        return [json.loads(line) for line in self.run("feedback", "export").splitlines()]

    def run(self, *arguments: str | Path) -> str:
        """What another command of the program says, beside it."""
        call = [PROGRAM, *arguments]
        return subprocess.run(call, env=self.environment, capture_output=True, text=True, check=True).stdout

    def until_counted(self, since: dict[str, int] | None = None, **wanted: int) -> dict[str, int]:
        """Wait until each of these counts is at least so much higher than it was; returns by how much all are."""
        before = since or dict.fromkeys(wanted, 0)

        def told() -> bool:
            counts = self.counts()
            return all(counts[name] - before[name] >= value for name, value in wanted.items())

        counted = seen(told, seconds=30)
        grown = {name: value - before.get(name, 0) for name, value in self.counts().items()}
        assert counted, f"wanted {wanted}, telemetry says {grown}"
        return grown
