"""What the editor's status bar says: a notification `didChangeStatus` {kind, message, busy} when it changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from codecompose_ls.lsp.models import Standing

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


def compose(*, enabled: bool, weights: Standing, refusal: str, failure: str, index: str) -> Status:
    """Say the one thing that matters most to someone who waits for a suggestion.

    `refusal` is why the current document is left alone, `failure` what the engine said when it last failed, `index`
    what there is to say of the index; each is empty when all is well.
    """
    if not enabled:
        return Status("Inactive", "switched off by the setting 'enabled'")
    if weights.fault and not weights.loading:
        return Status("Error", weights.fault)
    if refusal:
        return Status("Inactive", refusal, busy=weights.loading)
    if weights.loading:
        return Status("Normal", f"loading model '{weights.model}'", busy=True)
    if failure:
        return Status("Error", failure)
    if weights.notice:
        return Status("Warning", f"model '{weights.model}': {weights.notice}")
    return Status("Normal", f"model '{weights.model}', {index}" if index else f"model '{weights.model}'")
