"""What the editor's status bar says: a notification `didChangeStatus` {kind, message, busy} when it changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

DID_CHANGE_STATUS = "didChangeStatus"


@dataclass(frozen=True, slots=True)
class Status:
    """`kind` is one of Copilot's: Normal, Warning, Error, Inactive; `message` is one line for a person."""

    kind: str
    message: str
    busy: bool = False


class StatusLine:
    """Sends a status when it differs from the one before."""

    def __init__(self, notify: Callable[[str, dict[str, object]], None]) -> None:
        self._notify = notify
        self._last: Status | None = None

    def show(self, status: Status) -> None:
        if status != self._last:
            self._last = status
            self._notify(DID_CHANGE_STATUS, asdict(status))


def compose(*, enabled: bool, model: str, loading: bool, fault: str, refusal: str, failure: str, index: str) -> Status:
    """Say the one thing that matters most to someone who waits for a suggestion.

    `fault` is why there is no model, `refusal` why the current document is left alone, `failure` what the engine said
    when it last failed, `index` what there is to say of the index; each is empty when all is well.
    """
    if not enabled:
        return Status("Inactive", "switched off by the setting 'enabled'")
    if fault and not loading:
        return Status("Error", fault)
    if refusal:
        return Status("Inactive", refusal, busy=loading)
    if loading:
        return Status("Normal", f"loading model '{model}'", busy=True)
    if failure:
        return Status("Error", failure)
    return Status("Normal", f"model '{model}', {index}" if index else f"model '{model}'")
