"""What the sections of a report ask of results."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from codecompose_ls.evaluation.results import ALL, Outcome, Pair, Results, Row


@dataclass(frozen=True)
class View:
    """Results by predictor and project. The order of the predictors is that in which they were asked."""

    results: Results

    @cached_property
    def predictors(self) -> list[str]:
        return list(dict.fromkeys(row.predictor for row in self.results.rows))

    @cached_property
    def projects(self) -> list[str]:
        return sorted({row.project for row in self.results.rows} - {ALL})

    @cached_property
    def cases(self) -> int:
        return len({(outcome.project, outcome.case) for outcome in self.results.outcomes})

    @cached_property
    def outcomes(self) -> dict[str, list[Outcome]]:
        """The outcomes by predictor."""
        found: dict[str, list[Outcome]] = {name: [] for name in self.predictors}
        for outcome in self.results.outcomes:
            found[outcome.predictor].append(outcome)
        return {name: outcomes for name, outcomes in found.items() if outcomes}

    @cached_property
    def by_project(self) -> dict[str, list[Row]]:
        """The row over all kinds and languages (it has the most cases) of each predictor; by project, `ALL` first."""
        found: dict[str, list[Row]] = {}
        for name in [ALL, *self.projects]:
            rows = [row for row in self.results.rows if row.project == name]
            tops = [[row for row in rows if row.predictor == predictor] for predictor in self.predictors]
            found[name] = [max(group, key=lambda row: row.n) for group in tops if group]
        return {name: rows for name, rows in found.items() if rows}

    @cached_property
    def overall(self) -> list[Row]:
        """The row over everything of each predictor."""
        return next(iter(self.by_project.values()), [])

    @cached_property
    def over_projects(self) -> list[Row]:
        """The rows over all projects, kind by kind and language by language, those over all of them first."""
        rows = [row for row in self.results.rows if len(self.projects) < 2 or row.project == ALL]
        return sorted(rows, key=lambda row: (row.kind != ALL, row.kind, row.language != ALL, row.language))

    def comparisons(self) -> tuple[list[Pair], list[Pair]]:
        """Return the comparisons over all kinds, and those by kind; the latter first where there is but one kind."""
        over_all = [one for one in self.results.comparisons if one.kind == ALL]
        by_kind = [one for one in self.results.comparisons if one.kind != ALL]
        return (over_all, by_kind) if over_all else (by_kind, [])

    def series(self, predictor: str) -> int:
        """Return a predictor's place in the palette."""
        return self.predictors.index(predictor)
