"""A typist whose truth is known: whatever they do, in however many editors, every figure says exactly that."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from codecompose_ls.telemetry.buckets import buckets
from codecompose_ls.telemetry.metrics import Metrics, breakdown, metrics
from codecompose_ls.telemetry.store import Store
from tests.unit.telemetry.known import Asked, Given, Session
from tests.unit.telemetry.typist import LOOKS_S, Typist

ACTIONS = [
    "ask", "ask", "ask", "ask_in_vain", "draw", "wait", "wait", "jump", "type_through", "type_through", "type_other",
    "new_line", "paste", "backspace", "undo", "reload", "accept", "accept", "accept_word", "accept_word", "dismiss",
]  # fmt: skip
SESSIONS = st.fixed_dictionaries(
    {
        "editor": st.sampled_from(["vscode", "neovim"]),
        "cohort": st.sampled_from(["", "treatment"]),
        "language": st.sampled_from(["python", "go"]),
        "tells": st.booleans(),
        "commands": st.booleans(),
        "words_first": st.booleans(),
        "dies": st.booleans(),
        "actions": st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 100)), min_size=10, max_size=60),
    }
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@hypothesis.given(st.lists(SESSIONS, min_size=1, max_size=2))
def test_every_figure_is_the_truth(sessions: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "telemetry.sqlite3"
        truth = Truth(live(path, **session) for session in sessions)
        found = buckets(path)
        check(metrics(found), truth)
        for by in ("language", "model", "position", "editor", "cohort", "day"):
            rows = breakdown(found, by=by)
            for value in rows.keys() | truth.values(by):
                check(rows.get(value, Metrics()), truth.where(by, value), typing=by != "position")


def live(path: Path, *, actions: list[tuple[str, int]], dies: bool, **session: Any) -> Typist:
    """Live through a session of an editor, with a server and a store of its own."""
    told = {name: session.pop(name) for name in ("tells", "commands", "words_first")}
    here = Session(**session)
    store = Store(path, report=pytest.fail, now=lambda: here.clock + typist.now)
    typist = Typist(here, store.record, **told)
    for action, number in actions:
        typist.do(action, number)
    if dies:
        typist.die()
    else:
        typist.close()
    store.close(timeout_s=60)
    return typist


class Truth:
    """What the typists know."""

    def __init__(self, typists: Any) -> None:
        self.asked: list[Asked] = []
        self.given: list[Given] = []
        self.typed: list[tuple[Session, str, str, int]] = []
        for typist in typists:
            self.asked += typist.asked
            self.given += [given for given in typist.all if given.shown]
            self.typed += [(typist.session, *key, number) for key, number in typist.typed.items() if number]

    def values(self, by: str) -> set[str]:
        typed = {typed_value(row, by) for row in self.typed} - ({""} if by == "position" else set())
        return {value(item, by) for item in (*self.asked, *self.given)} | typed

    def where(self, by: str, wanted: str) -> Truth:
        part = Truth([])
        part.asked = [asked for asked in self.asked if value(asked, by) == wanted]
        part.given = [given for given in self.given if value(given, by) == wanted]
        part.typed = [row for row in self.typed if typed_value(row, by) == wanted]
        return part


def value(item: Asked | Given, by: str) -> str:
    return str(getattr(item.session if by in ("language", "editor", "cohort") else item, by))


def typed_value(row: tuple[Session, str, str, int], by: str) -> str:
    session, day, model, _ = row
    return {
        "language": session.language, "editor": session.editor, "cohort": session.cohort, "day": day, "model": model,
        "position": "",
    }[by]  # fmt: skip


def check(told: Metrics, truth: Truth, *, typing: bool = True) -> None:
    check_requests(told, truth.asked)
    check_suggestions(told, truth.given)
    check_retention(told, truth.given)
    typed = sum(number for *_, number in truth.typed)
    written = told.accepted_characters + typed
    assert told.typed_characters == typed
    assert told.percent_code_typed == (told.accepted_characters / written if written and typing else None)
    accepted = sum(given.end in ("accepted", "partly accepted") for given in truth.given)
    kept = [sum(given.looks.get(after_s, (0, 0))[0] >= 0.67 for given in truth.given) for after_s in LOOKS_S]
    answered = sum(asked.kind in ("generated", "cached") for asked in truth.asked)
    assert list(told.funnel.values()) == [len(truth.asked), answered, len(truth.given), accepted, *kept]


def check_requests(told: Metrics, asked: list[Asked]) -> None:
    kinds = Counter(request.kind for request in asked)
    outcomes = ("generated", "cached", "empty", "filtered", "cancelled", "failed")
    assert {name: getattr(told, name) for name in outcomes} == {name: kinds[name] for name in outcomes}
    assert told.requested == len(asked)
    assert told.filtered_by == Counter(request.reason for request in asked if request.kind == "filtered")
    waited_for = len(asked) - kinds["cancelled"]
    assert told.coverage == ((kinds["generated"] + kinds["cached"]) / waited_for if waited_for else None)
    sources = {request.source for request in asked} - {""}
    assert told.latency_ms.keys() == sources
    for source in sources:
        latencies = [request.latency_ms for request in asked if request.source == source]
        figures = told.latency_ms[source]
        assert figures.requests == len(latencies)
        assert (figures.p50, figures.p95) == (about(latencies, 0.5), about(latencies, 0.95))


def check_suggestions(told: Metrics, given: list[Given]) -> None:
    ends = Counter(one.end for one in given)
    assert told.shown == len(given)
    assert {
        "accepted": told.accepted,
        "partly accepted": told.partly_accepted,
        "dismissed": told.dismissed,
        "typed over": told.typed_over,
        # Its editor died.
        "": told.shown - told.accepted - told.partly_accepted - told.dismissed - told.typed_over,
    } == {end: ends[end] for end in ("accepted", "partly accepted", "dismissed", "typed over", "")}
    assert told.acceptance_rate == (ends["accepted"] / len(given) if given else None)
    if given:
        assert told.acceptance_rate_low is not None and told.acceptance_rate_high is not None
        assert told.acceptance_rate_low <= ends["accepted"] / len(given) <= told.acceptance_rate_high
    characters, acceptances = sum(one.accepted for one in given), sum(one.acceptances for one in given)
    assert told.accepted_characters == characters
    assert told.keystrokes_saved == characters - acceptances
    decisions = [one.decision_ms for one in given if one.decision_ms is not None]
    spent_s = sum(round(one.decision_ms) for one in given if one.acceptances and one.decision_ms is not None) / 1000
    assert told.time_saved_s == pytest.approx((characters - acceptances) * 0.239 - spent_s)
    assert (told.time_to_decision_ms is not None) == bool(decisions)
    if told.time_to_decision_ms is not None:
        figures = told.time_to_decision_ms
        assert figures.suggestions == len(decisions)
        assert (figures.p50, figures.p95) == (about(decisions, 0.5), about(decisions, 0.95))


def check_retention(told: Metrics, given: list[Given]) -> None:
    assert told.characters_retained == sum(one.looks[max(one.looks)][1] for one in given if one.looks)
    for after_s in LOOKS_S:
        looked_at = [one for one in given if after_s in one.looks]
        figures = told.retained.get(after_s)
        assert (figures.suggestions if figures else 0) == len(looked_at)
        if figures is not None:
            looks = [one.looks[after_s] for one in looked_at]
            assert figures.characters == sum(kept for _, kept in looks)
            assert figures.accepted_characters == sum(one.accepted for one in looked_at)
            assert figures.mostly_unchanged == sum(similarity >= 0.67 for similarity, _ in looks)
            assert figures.edit_similarity == pytest.approx(
                sum(similarity for similarity, _ in looks) / len(looks), abs=1e-6
            )


def about(values: list[float], share: float) -> Any:
    """The nearest-rank percentile, within what the histogram promises."""
    return pytest.approx(sorted(values)[math.ceil(share * len(values)) - 1], rel=0.05, abs=0.01)
