"""The real server as editors start it, and what it has counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.editors.polling import seen

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

    def counts(self) -> dict[str, int]:
        """What `telemetry summary` says now."""
        summary = subprocess.run(
            [PROGRAM, "telemetry", "summary", "--json"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return {name: value for name, value in json.loads(summary.stdout).items() if isinstance(value, int)}

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
