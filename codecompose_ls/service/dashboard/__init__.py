"""The dashboard: one page of what the suggestions were worth, drawn on the server; no CDN, no build, no inline script.

    app.include_router(dashboard.router(source))

`source` gives the buckets of some days (`source.Source`): those of the local file, or of a team's database.
"""

from codecompose_ls.service.dashboard.router import router
from codecompose_ls.service.dashboard.source import Source

__all__ = ["Source", "router"]
