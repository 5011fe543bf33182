"""What a server is asked, and how long each step may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """A path behind the server's address, and the JSON that is posted."""

    path: str
    body: Mapping[str, Any]
    #: Fields that a server may not know: what it refuses is left out (None) or goes by the other name.
    optional: Mapping[str, str | None] = field(default_factory=dict)

    def without(self, refused: set[str]) -> dict[str, Any]:
        """Return the body for a server that has refused these fields."""
        body = dict(self.body)
        for name in refused & self.optional.keys() & body.keys():
            value, other = body.pop(name), self.optional[name]
            if other is not None:
                body[other] = value
        return body


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that each step may take: `read` is the longest silence, `total` is for the whole answer."""

    connect: float = 1.0
    read: float = 3.0
    write: float = 3.0
    pool: float = 1.0
    total: float = 8.0
