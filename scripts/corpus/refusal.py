"""Why a package stays out."""

from __future__ import annotations

from typing import NoReturn


class Refused(Exception):
    """The package stays out; the message says why, in one line."""


def refuse_licence(licence: str) -> NoReturn:
    """Keep a package out whose licence is not permissive, or not known."""
    raise Refused(f"licence not permissive: {' '.join(licence.split())[:80]}")
