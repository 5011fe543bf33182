"""Arms: the same model with some of what it is told taken away (CodeCompose's RQ5: what is each part of it worth?)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, fields, replace

from codecompose_ls.backends.backend import Backend, Priority
from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.hidden_lines import Case
from codecompose_ls.types import Context, Piece, Sampling, Stop

#: The arm that is no model.
FLOOR = "floor"
FULL = "full"


@dataclass(frozen=True, slots=True)
class Arm:
    """What a predictor is told beside the text before the cursor; a new switch is one more line here."""

    #: The text after the cursor.
    suffix: bool = True
    #: Language and path, the prompt's header.
    metadata: bool = True
    #: What the workspace and the document itself say comes next.
    index: bool = True
    #: Which lines of the workspace and the document were typed lately, where the cases tell.
    session: bool = True
    #: What other files say, in the prompt; None: where the model says of itself that it helps.
    snippets: bool | None = None

    def view(self, case: Case) -> Case:
        """Return the case as this arm may see it."""
        return case if self.suffix else replace(case, text=case.text[: case.offset])

    def context(self, context: Context) -> Context:
        """Return the context as this arm may see it."""
        if not self.metadata:
            context = replace(context, language="", path="", repository="", kernel=None)
        return context if self.index else replace(context, uri="", before="", after="")

    def snippet_chars(self, backend: Backend) -> int:
        """Return how many characters of snippets a backend is told."""
        if self.snippets is None:
            return backend.snippet_chars
        return (backend.snippet_chars or sum(backend.window_chars) // 4) if self.snippets else 0


def switches() -> tuple[str, ...]:
    return tuple(field.name for field in fields(Arm))


def arm_of(name: str) -> Arm:
    """Return the arm of a name: `full`, `no-suffix` (all but that), `prefix` (nothing); `+snippets` adds one thing.

    Raises `InputError`.
    """
    known = switches()
    first, *given = name.split("+")
    without: dict[str, tuple[str, ...]] = {FULL: (), "prefix": known} | {f"no-{switch}": (switch,) for switch in known}
    if first in without and set(given) <= set(known):
        return Arm(**(dict.fromkeys(without[first], False) | dict.fromkeys(given, True)))
    names = ", ".join((FLOOR, FULL, *(f"no-{switch}" for switch in known), "prefix"))
    raise InputError(f"no arm '{name}'; there are {names}, and each with +{', +'.join(known)}")


class NarrowedBackend:
    """A backend that is told only what an arm allows."""

    def __init__(self, backend: Backend, arm: Arm) -> None:
        self._backend, self._arm = backend, arm
        self.model = backend.model

    @property
    def notice(self) -> str:
        return self._backend.notice

    @property
    def idle(self) -> bool:
        return self._backend.idle

    @property
    def window_chars(self) -> tuple[int, int]:
        return self._backend.window_chars

    @property
    def snippet_chars(self) -> int:
        return self._arm.snippet_chars(self._backend)

    def stream(
        self, context: Context, sampling: Sampling, *, stop: Stop, priority: Priority = Priority.REQUEST
    ) -> AsyncGenerator[Piece, None]:
        return self._backend.stream(self._arm.context(context), sampling, stop=stop, priority=priority)

    async def warm(self, context: Context) -> None:
        await self._backend.warm(self._arm.context(context))

    def close(self) -> None:
        """Do nothing: the backend within is shared by several arms."""
