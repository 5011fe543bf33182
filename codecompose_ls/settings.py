"""Settings: what can be set, where it comes from, and what happens to a wrong value.

Later sources win: defaults, what the user's team rolls out, user file, environment (`CODECOMPOSE_DEBOUNCE_MS=50`), the
editor (initializationOptions, then didChangeConfiguration). The project file belongs to whoever wrote the repository,
so it may only narrow, whatever the others say: `narrows` marks what it may touch, and it can only switch off or add. A
wrong value is reported once, by name, and the value before it stays.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from codecompose_ls import folders

PROJECT_FILE = ".codecompose.toml"
#: What model servers speak (backends/connect.py).
PROTOCOLS = ("codecompose", "openai", "llamacpp", "ollama")


def _setting(
    default: Any, help: str, *, choices: tuple[str, ...] = (), low: int = 0, high: int = 2**31, narrows: bool = False
) -> Any:
    metadata = {"help": help, "choices": choices, "low": low, "high": high, "narrows": narrows}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Every setting with its default; the editor spells them in camelCase."""

    enabled: bool = _setting(True, "complete at all", narrows=True)
    disabled_languages: tuple[str, ...] = _setting((), "LSP language ids to leave alone", narrows=True)
    ignore: tuple[str, ...] = _setting((), "paths never read, in .gitignore syntax", narrows=True)
    model: str = _setting("base", "a model's folder, or its name; 'base' is the one we ship")
    backend: str = _setting(
        "local",
        "who completes: the model on this machine, or a server that speaks this protocol and is sent the code",
        choices=("local", *PROTOCOLS),
    )
    backend_url: str = _setting("", "the server's address; empty: its usual one on this machine")
    backend_model: str = _setting("", "the model's name on the server")
    backend_template: str = _setting(
        "server", "who puts the two sides of the cursor together: 'server', or we as the model's family wants it"
    )
    backend_context: int = _setting(2048, "tokens that the server's model takes", low=256, high=131072)
    backend_connect_timeout_ms: int = _setting(1000, "longest wait for a connection", low=10, high=10_000)
    backend_read_timeout_ms: int = _setting(3000, "longest silence of the server", low=10, high=10_000)
    backend_timeout_ms: int = _setting(8000, "longest wait for a whole answer", low=10, high=10_000)
    backend_fallback: bool = _setting(True, "complete with the model on this machine while the server is down")
    chat: str = _setting(
        "none",
        "who answers the assistants: a chat model on this machine, or a server that speaks this protocol and is sent "
        "the code",
        choices=("none", "local", *PROTOCOLS),
    )
    chat_url: str = _setting("", "that server's address; empty: its usual one on this machine")
    chat_model: str = _setting("", "the model's name on that server; for 'local' its folder or name on this machine")
    chat_context: int = _setting(8192, "tokens that it takes, prompt and answer together", low=1024, high=1_000_000)
    chat_read_timeout_ms: int = _setting(60_000, "longest silence of that server", low=10, high=600_000)
    multi_line: str = _setting("scope", "where more than one line is suggested", choices=("scope", "never"))
    max_tokens: int = _setting(64, "longest suggestion, in tokens", low=1, high=512)
    eagerness: str = _setting(
        "balanced",
        "how readily suggestions come by themselves: high shows all, low only those that are probably right",
        choices=("low", "balanced", "high"),
    )
    debounce: str = _setting("adaptive", "wait before asking the model", choices=("adaptive", "fixed"))
    debounce_ms: int = _setting(75, "the wait when debounce is 'fixed'; the longest wait when 'adaptive'", high=5000)
    index: bool = _setting(True, "suggest what the other files of the workspace say", narrows=True)
    speculate: bool = _setting(True, "prepare the suggestion after the one on screen")
    popup: bool = _setting(False, "also answer textDocument/completion, for editors without ghost text")
    threads: int = _setting(2, "threads of the local engine", low=1, high=64)
    telemetry: bool = _setting(True, "count suggestions in a local database; nothing leaves the machine by itself")
    telemetry_url: str = _setting(
        "", "a team service that is sent what is counted, without code and paths, and says what it rolls out"
    )
    log_level: str = _setting("warning", "what the log on stderr holds", choices=("debug", "info", "warning", "error"))

    @property
    def backend_parts(self) -> tuple[object, ...]:
        """What a backend is made from: where any of it changes, another one is wanted."""
        names = ("model", "threads", *(name for name in _FIELDS if name.startswith("backend")))
        return tuple(getattr(self, name) for name in names)

    @property
    def chat_parts(self) -> tuple[object, ...]:
        """What a chat model is connected by, in the same way."""
        return tuple(
            getattr(self, name) for name in ("threads", *(name for name in _FIELDS if name.startswith("chat")))
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that could not be used; `str` is the one line shown to the user."""

    setting: str
    message: str
    source: str

    def __str__(self) -> str:
        return f"{self.source}: setting {_shown(self.setting)} {self.message}"


_FIELDS = {item.name: item for item in fields(Settings)}


def merge(
    base: Settings, values: Mapping[str, Any], *, source: str, narrow: bool = False
) -> tuple[Settings, list[Problem]]:
    """Lay `values` (snake_case or camelCase names) over `base`; with `narrow` only what a project may say is taken."""
    problems: list[Problem] = []
    changes: dict[str, Any] = {}
    for key, value in values.items():
        name = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", str(key)).lower()
        if name not in _FIELDS:
            nearest = get_close_matches(name[:80], _FIELDS, n=3, cutoff=0)
            problems.append(Problem(str(key), f"is unknown; the nearest are {', '.join(nearest)}", source))
        elif narrow and not _FIELDS[name].metadata["narrows"]:
            problems.append(Problem(str(key), "cannot be set by a project, only by its user", source))
        elif message := _fault(name, value) or (narrow and _widening(value)):
            problems.append(Problem(str(key), message, source))
        else:
            changes[name] = _narrowed(base, name, value) if narrow else _plain(value)
    return replace(base, **changes), problems


def _fault(name: str, value: Any) -> str:
    """Say what is wrong with a value, or nothing."""
    default, rules = _FIELDS[name].default, _FIELDS[name].metadata
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else f"must be true or false, not {_shown(value)}"
    if isinstance(default, int):
        if isinstance(value, bool) or not isinstance(value, int):
            return f"must be a whole number, not {_shown(value)}"
        low, high = rules["low"], rules["high"]
        return "" if low <= value <= high else f"must be between {low} and {high}, not {_shown(value)}"
    if isinstance(default, tuple):
        good = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
        return "" if good else f"must be a list of strings, not {_shown(value)}"
    if not isinstance(value, str):
        return f"must be a string, not {_shown(value)}"
    choices = rules["choices"]
    return f"must be one of {', '.join(choices)}, not {_shown(value)}" if choices and value not in choices else ""


def _widening(value: Any) -> str:
    """Say what in a project's value would give back what its user has taken away, or nothing."""
    negated = next((item for item in value if item.startswith("!")), None) if isinstance(value, list | tuple) else None
    return f"cannot call back with {_shown(negated)} what its user ignores" if negated else ""


def _shown(value: Any) -> str:
    """Return a value as a message can show it: on one line, and not at any length."""
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value


def _narrowed(base: Settings, name: str, value: Any) -> Any:
    """Combine a project's value with the user's so that it can only take away."""
    before = getattr(base, name)
    return (before and value) if isinstance(before, bool) else (*before, *value)


def load(
    *, root: Path | None = None, editor: Mapping[str, Any] | None = None, rolled_out: Mapping[str, Any] | None = None
) -> tuple[Settings, list[Problem]]:
    """Read all sources in their order; never raises for their content."""
    user, problems = _read(folders.settings())
    layers = [
        (rolled_out or {}, "roll-out", False),
        (user, folders.settings().name, False),
        (_environment(), "environment", False),
        (editor or {}, "editor", False),
    ]
    if root is not None:
        # Laid last: what a project takes away stays away, whoever speaks.
        project, faults = _read(root / PROJECT_FILE)
        problems += faults
        layers.append((project, PROJECT_FILE, True))
    settings = Settings()
    for values, source, narrow in layers:
        settings, found = merge(settings, values, source=source, narrow=narrow)
        problems += found
    return settings, problems


def _read(path: Path) -> tuple[Mapping[str, Any], list[Problem]]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), []
    except FileNotFoundError:
        return {}, []
    except (OSError, ValueError, RecursionError) as error:
        # ValueError: no UTF-8, no TOML, or a number too long for Python.
        return {}, [Problem("*", f"cannot be read ({error}); the file is left out", path.name)]


def _environment() -> Mapping[str, Any]:
    """Read `CODECOMPOSE_<SETTING>`; numbers, booleans and comma-separated lists are spelled as text."""
    found: dict[str, Any] = {}
    for name, item in _FIELDS.items():
        text = os.environ.get(f"CODECOMPOSE_{name.upper()}")
        if text is not None:
            found[name] = _parsed(text, item.default)
    return found


def _parsed(text: str, default: Any) -> Any:
    """Turn an environment's text into the default's type; what does not fit is returned as it is, for the message."""
    if isinstance(default, bool):
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    if isinstance(default, int):
        return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text
    return tuple(part for part in text.split(",") if part) if isinstance(default, tuple) else text
