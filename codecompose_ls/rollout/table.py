"""A table of a TOML file, read key by key; whatever is wrong is one line that names the place."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from codecompose_ls.errors import InputError

_MISSING: Any = object()


class Table:
    """What `said` holds, at `place`, which ends with a colon at the top of a file. Reading raises `InputError`."""

    def __init__(self, said: Any, place: str) -> None:
        if not isinstance(said, dict):
            raise InputError(f"{place} must be a table, not {shown(said)}")
        self.said: dict[str, Any] = said
        self.place = place
        self._known: set[str] = set()

    def take(self, key: str, default: Any = _MISSING) -> Any:
        self._known.add(key)
        if key not in self.said and default is _MISSING:
            raise InputError(f"{self._at(key)} is missing")
        return self.said.get(key, default)

    def number(self, key: str, default: float | None, *, low: float, high: float, above: bool = False) -> float:
        value = self.take(key, _MISSING if default is None else default)
        good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
        if not good or not (low < value if above else low <= value) or value > high:
            wanted = f"a number above {low:g}" if above else f"a number from {low:g}"
            upper = f" up to {high:g}" if math.isfinite(high) else ""
            raise InputError(f"{self._at(key)} must be {wanted}{upper}, not {shown(value)}")
        return float(value)

    def whole(self, key: str, default: int | None, *, low: int, high: int) -> int:
        value = self.take(key, _MISSING if default is None else default)
        if type(value) is not int or not low <= value <= high:
            raise InputError(f"{self._at(key)} must be a whole number from {low} to {high}, not {shown(value)}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise InputError(f"{self._at(key)} must be true or false, not {shown(value)}")
        return value

    def names(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = self.take(key, list(default))
        if not isinstance(value, list) or not value or any(name not in default for name in value):
            raise InputError(f"{self._at(key)} must be a list of {', '.join(default)}, not {shown(value)}")
        return tuple(dict.fromkeys(value))

    def table(self, key: str, default: Any = _MISSING) -> Table:
        return Table(self.take(key, default), self._at(key))

    def tables(self, key: str) -> list[tuple[str, Table]]:
        parts = self.table(key, {})
        return [(name, parts.table(name)) for name in parts.said]

    def list_of_tables(self, key: str) -> list[Table]:
        value = self.take(key)
        if not isinstance(value, list) or not value:
            raise InputError(f"{self._at(key)} must be a list of tables, one a wave, not {shown(value)}")
        return [Table(part, f"{self._at(key)}[{number}]") for number, part in enumerate(value)]

    def finish(self, known: Iterable[str] = ()) -> None:
        """Complain of a key that nobody has asked for."""
        names = self._known | set(known)
        for key in self.said:
            if key not in names:
                nearest = get_close_matches(key[:80], names, n=3, cutoff=0)
                raise InputError(f"{self._at(key)} is unknown; the nearest are {', '.join(nearest)}")

    def _at(self, key: str) -> str:
        return f"{self.place}{' ' if self.place.endswith(':') else '.'}{_plain(key)}"


def _plain(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]{1,80}", key) else shown(key)


def shown(value: Any) -> str:
    """Return a value as a message can show it: on one line, and not at any length."""
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
