"""Wire: a stamped event as JSON, the form of `telemetry export`, of LSP's `telemetry/event` and of the team service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from codecompose_ls.errors import InputError
from codecompose_ls.telemetry.events import Event, Kind, Position

#: Longest text of a field: names of languages, models, filters, assistants.
MOST_CHARACTERS = 120
#: Largest number of characters or milliseconds, either way, that anyone could mean.
MOST = 10**9

_ID = re.compile(r"[0-9a-f]{32}")
_TEXTS = (
    "language", "model", "suggestion", "source", "trigger", "reason", "editor", "cohort", "user"
)  # fmt: skip
_WHOLE = ("characters", "after_s", "sequence")
_NUMBERS = ("latency_ms", "similarity", "decision_ms", "at")


def to_json(event: Event) -> dict[str, Any]:
    """Return an event's fields but those that say nothing."""
    values = {item.name: getattr(event, item.name) for item in fields(Event)}
    plain = {name: value.value if isinstance(value, Kind | Position) else value for name, value in values.items()}
    return {name: value for name, value in plain.items() if value is not None and value != ""}


def from_json(values: Mapping[str, Any]) -> Event:
    """Read what `to_json` made, of this version or another: fields that are unknown are left out.

    Raises InputError, which names the field, for anything that no server of ours sends.
    """
    found: dict[str, Any] = {"kind": _one_of(Kind, values, "kind"), "id": values.get("id")}
    if not isinstance(found["id"], str) or not _ID.fullmatch(found["id"]):
        raise InputError("event: 'id' must be 32 hexadecimal digits")
    if values.get("position") is not None:
        found["position"] = _one_of(Position, values, "position")
    for names, check, wanted in (
        (_TEXTS, _is_text, f"a text of at most {MOST_CHARACTERS} characters"),
        (_WHOLE, _is_whole, "a whole number"),
        (_NUMBERS, _is_number, "a number"),
    ):
        for name in names:
            value = values.get(name)
            if value is None:
                continue
            if not check(value):
                raise InputError(f"event: '{name}' must be {wanted}")
            found[name] = value
    return Event(**found)


def _one_of(choices: type[Kind] | type[Position], values: Mapping[str, Any], name: str) -> Kind | Position:
    try:
        return choices(values.get(name))
    except ValueError:
        raise InputError(f"event: '{name}' must be one of {', '.join(item.value for item in choices)}") from None


def _is_text(value: object) -> bool:
    return (
        isinstance(value, str) and len(value) <= MOST_CHARACTERS and not any("\ud800" <= c <= "\udfff" for c in value)
    )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MOST


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # Times of day are larger than what is measured.
    return 0 <= value <= 100 * MOST
