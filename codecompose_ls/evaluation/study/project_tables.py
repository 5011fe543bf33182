"""The projects themselves: the data set (P-09) and what their vocabularies share (P-01)."""

from __future__ import annotations

from codecompose_ls.evaluation.study.results import Study
from codecompose_ls.evaluation.study.table import Column, Kind, Table, Value, columns


def projects(study: Study) -> Table:
    """P-09: the data set."""
    rows = [
        (one.name, one.language, one.files, one.characters / 1e6, one.trained / 1e6, one.cases, _dropped(one.dropped))
        for one in study.projects
    ]
    return Table(
        "projects",
        "P-09",
        "The projects",
        (
            *columns(Kind.TEXT, ("project", "language")),
            Column("files", Kind.COUNT),
            *columns(Kind.NUMBER, ("million characters", "of them trained on")),
            Column("lines asked for", Kind.COUNT),
            Column("files left out", Kind.TEXT),
        ),
        tuple(rows),
        "The language is the one with the most characters. What is trained on is the mean of a fold."
        " Lines asked for are of all folds together.",
    )


def shared_tokens(study: Study) -> Table:
    """P-01: the share of a project's distinct tokens that another project has, too."""
    shared = study.shared
    rows: list[tuple[Value, ...]] = [
        (name, size, *ratios) for name, size, ratios in zip(shared.projects, shared.sizes, shared.ratios, strict=True)
    ]
    return Table(
        "shared_tokens",
        "P-01",
        "Shared tokens",
        (Column("project", Kind.TEXT), Column("tokens", Kind.COUNT), *columns(Kind.SHARE, shared.projects)),
        tuple(rows),
        "Share of the row's distinct tokens that are the column's, too, without comments and keywords. Off the "
        f"diagonal: median {100 * shared.median:.0f} %, third quartile {100 * shared.third_quartile:.0f} %.",
    )


def _dropped(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items())) or "none"
