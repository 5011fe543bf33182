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
        """The environment of an editor that starts it."""
        return {**os.environ, "CODECOMPOSE_DATA": str(self.data)}

    def counts(self) -> dict[str, int]:
        """What `telemetry summary` says now."""
        summary = subprocess.run(
            [PROGRAM, "telemetry", "summary", "--json"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        counts: dict[str, int] = json.loads(summary.stdout)
        return counts

    def until_counted(self, **wanted: int) -> dict[str, int]:
        """Wait until each of these counts is at least so high; returns all of them."""

        def told() -> bool:
            counts = self.counts()
            return all(counts[name] >= value for name, value in wanted.items())

        counted = seen(told, seconds=30)
        counts = self.counts()
        assert counted, f"wanted {wanted}, telemetry says {counts}"
        return counts
