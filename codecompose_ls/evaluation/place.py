"""When, on what and by which version something was measured; no name of the machine."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone

from codecompose_ls import __version__


def place() -> dict[str, str]:
    """Return the conditions that a reader of figures wants to know of the place where they were taken."""
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return {"date": datetime.now(timezone.utc).date().isoformat(), "machine": machine, "version": __version__}
