"""Headers of pages: what runs in them, and that they are in nobody else's frame and speak to nobody else."""

from __future__ import annotations

_COMMON = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_NOBODY_ELSE = "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

#: Of pages that run no script and have their style in them.
NO_SCRIPT = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'unsafe-inline'; {_NOBODY_ELSE}",
    **_COMMON,
    "Cache-Control": "no-store",
}
#: Of pages that have the dashboard's script, style sheet and icon, and no other and none inline.
OWN_FILES = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; {_NOBODY_ELSE}"
    ),
    **_COMMON,
    "Cache-Control": "private, no-cache",
}
