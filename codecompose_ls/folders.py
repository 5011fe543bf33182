"""Where things live on this machine: the cache may be deleted at any time, the data may not."""

from __future__ import annotations

import os
from pathlib import Path

_APPLICATION = "codecompose-ls"


def cache() -> Path:
    """Graphs and index; `CODECOMPOSE_CACHE` overrides it."""
    from platformdirs import user_cache_path

    override = os.environ.get("CODECOMPOSE_CACHE")
    return Path(override) if override else user_cache_path(_APPLICATION)


def data() -> Path:
    """Registry of models and telemetry events; `CODECOMPOSE_DATA` overrides it."""
    from platformdirs import user_data_path

    override = os.environ.get("CODECOMPOSE_DATA")
    return Path(override) if override else user_data_path(_APPLICATION)


def settings() -> Path:
    """The user's settings file; `CODECOMPOSE_CONFIG` overrides it."""
    from platformdirs import user_config_path

    override = os.environ.get("CODECOMPOSE_CONFIG")
    return Path(override) if override else user_config_path(_APPLICATION) / "settings.toml"
