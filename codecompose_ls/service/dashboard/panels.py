"""Panels: what each part of the page shows, as tables of figures that `telemetry.metrics` has worked out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from codecompose_ls.service.dashboard.table import Column, Panel, Value
from codecompose_ls.service.dashboard.view import View
from codecompose_ls.telemetry.events import RETENTION_S
from codecompose_ls.telemetry.metrics import Metrics
from codecompose_ls.telemetry.rollup import LIMITS_MS

_COLUMNS = {
    column.name: column
    for column in (
        Column("requested", "Requested"),
        Column("shown", "Shown"),
        Column("accepted", "Accepted"),
        Column("acceptance_rate", "Acceptance rate", "share"),
        Column("acceptance_rate_low", "low", "share"),
        Column("acceptance_rate_high", "high", "share"),
        Column("percent_code_typed", "Code typed by it", "share"),
        Column("keystrokes_saved", "Keystrokes saved"),
        Column("accepted_characters", "Characters accepted"),
        Column("characters_retained", "Characters retained"),
        Column("coverage", "Coverage", "share"),
    )
}
#: Wilson's interval takes suggestions as independent, and those of one person resemble each other.
_TOO_NARROW = " Across people intervals of shares are too narrow; arms of a roll-out are compared by person."
_RATE = ("acceptance_rate", "acceptance_rate_low", "acceptance_rate_high")
_WORTH = ("shown", "accepted", *_RATE, "percent_code_typed", "keystrokes_saved", "characters_retained")


def overview(view: View) -> Panel:
    """Return everything at once, one row; latency is that of the model's own answers where there are any."""
    total = view.total
    names = ("requested", "coverage", *_WORTH)
    source = "engine" if "engine" in total.latency_ms else _busiest(total)
    latency = total.latency_ms.get(source)
    decision = total.time_to_decision_ms
    columns = (
        *(_COLUMNS[name] for name in names),
        Column("latency_source", "Source", "text"),
        Column("latency_ms_p95", "p95 latency", "ms"),
        Column("time_to_decision_ms_p50", "Median time to decision", "ms"),
    )
    row = (*_values(total, names), source, latency.p95 if latency else None, decision.p50 if decision else None)
    return Panel("overview", "Overview", "", columns, (row,))


def over_time(view: View) -> Panel:
    step = "week" if view.is_weekly else "day"
    note = f"By {step}; what became of a suggestion counts on the day it was shown. Bars on the line: 95 % interval."
    note += _TOO_NARROW if view.is_of_several else ""
    names = ("requested", *_WORTH[:-1], "accepted_characters", "characters_retained")
    rows = tuple((day, *_values(figures, names)) for day, figures in view.over_time.items())
    columns = (Column(step, step.capitalize(), "text"), *(_COLUMNS[name] for name in names))
    return Panel("over_time", "Acceptance and kept code over time", note, columns, rows)


def languages(view: View) -> Panel:
    note = "Suggestions shown, the share of them accepted (95 % interval), and of new characters that came from them."
    return _broken_down(view, "languages", "By language", note, by="language")


def models(view: View) -> Panel:
    note = "Intervals are of 95 %. Models that different people used at different times differ in more than weights."
    return _broken_down(view, "models", "Models compared", note, by="model")


def groups(view: View) -> Panel:
    by = view.filters.by
    note = {
        "editor": "Editors by the name that we know; a client that does not say who it is has none.",
        "position": "Where in its line the cursor was; white space aside. Typing is not counted by position.",
        "cohort": "Groups of the roll-out; users differ, too: the panel of compared arms allows for that.",
    }[by]
    return _broken_down(view, "groups", f"By {by}", f"{note} 'Group by' at the head chooses another one.", by=by)


def retained(view: View) -> Panel:
    columns = (
        Column("after_s", "Seconds after acceptance"),
        Column("suggestions", "Suggestions looked at"),
        Column("mostly_unchanged", "Mostly unchanged"),
        Column("edit_similarity", "Edit similarity", "share"),
        Column("accepted_characters", "Characters accepted"),
        Column("characters", "Characters still there"),
    )
    rows = tuple(
        (after_s, *_values(look, (column.name for column in columns[1:])))
        for after_s, look in view.total.retained.items()
    )
    note = "What still stood where it was accepted. Mostly unchanged: an edit similarity of at least 67 %."
    return Panel("retained", "Retained", note, columns, rows)


def latency(view: View) -> Panel:
    columns = (
        Column("source", "Source", "text"),
        Column("requests", "Requests"),
        Column("p50", "p50", "ms"),
        Column("p95", "p95", "ms"),
        *(Column(f"within_{limit}_ms", f"≤ {limit:,} ms", "share") for limit in LIMITS_MS),
    )
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (source, found.requests, found.p50, found.p95, *view.answered_within[source])
        for source, found in view.total.latency_ms.items()
    )
    note = "From request to answer, of requests with a suggestion; at most 5 % off."
    return Panel("latency", "Latency by source", note, columns, rows)


def funnel(view: View) -> Panel:
    meanings = {"answered": "with a suggestion", "accepted": "accepted, also in part"}
    meanings |= {f"retained_{after_s}": f"mostly unchanged after {after_s} s" for after_s in RETENTION_S}
    rows = tuple((stage, meanings.get(stage, stage), count) for stage, count in view.total.funnel.items())
    columns = (Column("stage", "Stage", "text"), Column("meaning", "What it counts", "text"), Column("count", "Count"))
    note = "From requests to text that stayed. Requests and suggestions: one suggestion may answer several requests."
    return Panel("funnel", "From requested to retained", note, columns, rows if view.total.requested else ())


def filtered(view: View) -> Panel:
    columns = (Column("reason", "Filter", "text"), Column("filtered", "Requests"))
    note = "Requests that stayed silent, and the filter that said so."
    return Panel("filtered", "What the filters dropped", note, columns, tuple(view.total.filtered_by.items()))


def assistants(view: View) -> Panel:
    names = ("assisted", "applied", "dismissed")
    columns = (Column("assistant", "Assistant", "text"), *(Column(name, name.capitalize()) for name in names))
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (name, *_values(used, names)) for name, used in view.total.assistants.items()
    )
    note = "How often each ran, and how often its edit was applied or dismissed."
    if rows and view.smallest_group > 1:
        # How many people use one of them is not kept.
        rows = (("all together", *(sum(int(row[place] or 0) for row in rows) for place in (1, 2, 3))),)
    return Panel("assistants", "Assistants", note, columns, rows, "No assistant was used in these days.")


def arms(view: View) -> Panel:
    columns = (
        Column("experiment", "Experiment", "text"),
        Column("metric", "Metric", "text"),
        Column("old", "Old", "number"),
        Column("new", "New", "number"),
        Column("difference", "New less old", "number"),
        Column("low", "At least", "number"),
        Column("high", "At most", "number"),
        Column("old_users", "Users, old"),
        Column("new_users", "Users, new"),
    )
    entries = () if isinstance(view.record, str) else view.record
    latest = {entry.experiment: entry for entry in entries if entry.effects}
    found = (
        {**effect, **effect["comparison"], "experiment": name} for name in latest for effect in latest[name].effects
    )
    enough = (effect for effect in found if min(effect["old_users"], effect["new_users"]) >= view.smallest_group)
    rows = tuple(tuple(effect[column.name] for column in columns) for effect in enough)
    note = (
        "As of the latest look at each experiment, in the metric's own unit. The difference allows for what users did "
        "before, and its 95 % bounds hold at every look. The filters do not apply."
    )
    return Panel("arms", "Arms compared", note, columns, rows, "No experiment has had enough users yet.")


def rollout(view: View) -> Panel:
    columns = (
        Column("at", "When (UTC)", "when"),
        Column("experiment", "Experiment", "text"),
        Column("what", "What", "text"),
        Column("percent_before", "Share before", "percent"),
        Column("percent", "Share after", "percent"),
        Column("without_model", "Users without the model"),
        Column("reason", "Why", "text"),
    )
    entries, empty = ((), view.record) if isinstance(view.record, str) else (view.record, "No roll-out has begun.")
    rows = tuple(_values(entry, (column.name for column in columns)) for entry in reversed(entries))
    note = "Every decision on who gets what, the latest first. The filters do not apply."
    return Panel("rollout", "Roll-out record", note, columns, rows, empty)


#: In the order of the page; a panel's name is that of its function.
PANELS: dict[str, Callable[[View], Panel]] = {
    panel.__name__: panel
    for panel in (
        overview, over_time, languages, models, groups, funnel, retained, latency, filtered, assistants, arms, rollout,
    )
}  # fmt: skip


def _broken_down(view: View, name: str, title: str, note: str, *, by: str) -> Panel:
    groups = {value: figures for value, figures in view.by(by).items() if figures.requested or figures.shown}
    rows = tuple((value, *_values(figures, _WORTH)) for value, figures in groups.items())
    columns = (Column(by, by.capitalize(), "text"), *(_COLUMNS[each] for each in _WORTH))
    users = view.users(by)
    if view.is_of_several:
        note += _TOO_NARROW
        columns = (*columns, Column("users", "Users"))
        rows = tuple((*row, users[str(row[0])]) for row in rows)
    return Panel(name, title, note, columns, rows)


def _values(of: object, names: Iterable[str]) -> tuple[Value, ...]:
    return tuple(getattr(of, name) for name in names)


def _busiest(figures: Metrics) -> str:
    return max(figures.latency_ms, key=lambda source: figures.latency_ms[source].requests, default="")
