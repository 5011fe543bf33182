"""The dashboard over HTTP: the figures that the events come to, by every filter, on the page and as CSV."""

from __future__ import annotations

import csv
import html
import re
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from io import StringIO
from pathlib import Path
from urllib.parse import parse_qsl

import httpx
import pytest

pytest.importorskip("fastapi")

from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.errors import InputError
from codecompose_ls.rollout.comparison import Comparison, Effect
from codecompose_ls.rollout.experiments import State, parse
from codecompose_ls.rollout.guard_rails import Decision, Verdict
from codecompose_ls.rollout.record import Record
from codecompose_ls.service import dashboard, faults
from codecompose_ls.service.access import Tokens
from codecompose_ls.service.app import create_app
from codecompose_ls.service.catalogue import Catalogue
from codecompose_ls.service.dashboard import local
from codecompose_ls.service.dashboard.filters import DIMENSIONS, GROUPS, NONE, Filters
from codecompose_ls.service.dashboard.panels import PANELS
from codecompose_ls.service.dashboard.source import LocalSource
from codecompose_ls.service.dashboard.view import View
from codecompose_ls.telemetry.events import Event, Kind, Position
from codecompose_ls.telemetry.ledger import Bucket, Key
from codecompose_ls.telemetry.metrics import metrics
from codecompose_ls.telemetry.store import Store
from tests.month import ROLLOUT, write_record
from tests.unit.service.conftest import HEADERS, TOKEN, Script

TODAY = date(2026, 10, 31)
#: Markup, a quote of each kind, and characters that no XML may hold.
HOSTILE = "<img src=x onerror=alert(1)>\"'&\x00\x1b"

Row = dict[str, str]


class Asking(httpx.AsyncClient):
    """Asks an application without a socket."""

    def __init__(self, app: FastAPI, **headers: str) -> None:
        transport = httpx.ASGITransport(app)
        super().__init__(transport=transport, base_url="http://127.0.0.1", headers=headers, trust_env=False)

    async def text(self, path: str) -> str:
        answer = await self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def rows(self, panel: str, query: str = "days=all") -> list[Row]:
        return list(csv.DictReader(StringIO(await self.text(f"/dashboard/csv/{panel}.csv?{query}"))))


def write(path: Path, *events: Event, on: date = TODAY) -> Path:
    noon = datetime(on.year, on.month, on.day, 12, tzinfo=timezone.utc)
    store = Store(path, report=pytest.fail, now=noon.timestamp)
    for event in events:
        store.record(event)
    store.close(timeout_s=60)
    return path


def suggested(id: str, language: str, model: str = "base", *, latency_ms: float = 40.0, characters: int = 10) -> Event:
    return Event(
        Kind.GENERATED, language, model, suggestion=id, source="engine", latency_ms=latency_ms, characters=characters
    )


def shown(id: str, language: str, model: str = "base", **more: str) -> Event:
    return Event(Kind.SHOWN, language, model, suggestion=id, **more)


def accepted(id: str, language: str, model: str = "base", *, characters: int = 10) -> Event:
    return Event(Kind.ACCEPTED, language, model, suggestion=id, characters=characters, decision_ms=1000.0)


def retained(id: str, after_s: int, *, characters: int, similarity: float) -> Event:
    return Event(
        Kind.RETAINED, "python", "base", suggestion=id, after_s=after_s, characters=characters, similarity=similarity
    )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Python: 4 shown, 1 of them accepted, 10 characters, of which 8 stay, and 90 typed. Go: 1 shown and accepted."""
    path = tmp_path / "telemetry.sqlite3"
    write(path, shown("old", "rust", "old"), on=date(2026, 1, 5))
    return write(
        path,
        suggested("a", "python"),
        *(shown(id, "python") for id in "abcd"),
        accepted("a", "python"),
        retained("a", 30, characters=9, similarity=0.9),
        retained("a", 120, characters=8, similarity=0.5),
        Event(Kind.TYPED, "python", "base", characters=90),
        Event(Kind.FILTERED, "python", "base", reason="repetition"),
        Event(Kind.FILTERED, "python", "base", reason="confidence"),
        Event(Kind.FILTERED, "python", "base", reason="confidence"),
        suggested("g", "go", "tuned", latency_ms=400.0, characters=5),
        shown("g", "go", "tuned", editor="neovim", cohort="treatment"),
        accepted("g", "go", "tuned", characters=5),
        Event(Kind.ASSISTED, "python", source="docstring"),
        Event(Kind.ASSIST_APPLIED, "python", source="docstring"),
    )


def app_of(database: Path, **options: object) -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.include_router(dashboard.router(LocalSource(database), today=lambda: TODAY, **options))  # type: ignore[arg-type]
    faults.install(app)
    return app


@pytest.fixture
def asking(database: Path) -> Asking:
    return Asking(app_of(database))


# Figures.


async def test_the_table_of_languages_is_that_of_codecompose(asking: Asking) -> None:
    python, go = await asking.rows("languages", "days=28")
    assert python == {
        "language": "python",
        "shown": "4",
        "accepted": "1",
        "acceptance_rate": "0.25",
        "acceptance_rate_low": python["acceptance_rate_low"],
        "acceptance_rate_high": python["acceptance_rate_high"],
        "percent_code_typed": "0.1",
        "keystrokes_saved": "9",
        "characters_retained": "8",
    }
    # Wilson's interval of 1 in 4.
    low, high = float(python["acceptance_rate_low"]), float(python["acceptance_rate_high"])
    assert (round(low, 3), round(high, 3)) == (0.046, 0.699)
    assert (go["language"], go["shown"], go["acceptance_rate"]) == ("go", "1", "1.0")


async def test_the_overview_is_everything_at_once(asking: Asking) -> None:
    (row,) = await asking.rows("overview", "days=28")
    assert {
        name: row[name] for name in ("requested", "shown", "accepted", "keystrokes_saved", "characters_retained")
    } == {
        "requested": "5",
        "shown": "5",
        "accepted": "2",
        "keystrokes_saved": "13",
        "characters_retained": "8",
    }
    assert row["latency_source"] == "engine"
    assert float(row["latency_ms_p95"]) == pytest.approx(400, rel=0.05)


async def test_the_funnel_goes_from_requested_to_retained(asking: Asking) -> None:
    counts = {row["stage"]: row["count"] for row in await asking.rows("funnel", "days=28")}
    assert counts == {
        "requested": "5",
        "answered": "2",
        "shown": "5",
        "accepted": "2",
        "retained_30": "1",
        "retained_120": "0",
        "retained_300": "0",
        "retained_600": "0",
    }


async def test_the_other_panels_have_their_figures(asking: Asking) -> None:
    assert await asking.rows("filtered") == [
        {"reason": "confidence", "filtered": "2"},
        {"reason": "repetition", "filtered": "1"},
    ]
    assert await asking.rows("assistants") == [
        {"assistant": "docstring", "assisted": "1", "applied": "1", "dismissed": "0"}
    ]
    assert [(row["model"], row["shown"]) for row in await asking.rows("models")] == [
        ("base", "4"),
        ("tuned", "1"),
        ("old", "1"),
    ]
    assert [(row["day"], row["shown"]) for row in await asking.rows("over_time", "days=28")] == [("2026-10-31", "5")]
    assert [(row["week"], row["shown"]) for row in await asking.rows("over_time")] == [
        ("2026-01-05", "1"),
        ("2026-10-26", "5"),
    ]
    (engine,) = await asking.rows("latency")
    assert (engine["source"], engine["requests"]) == ("engine", "2")
    assert [engine[f"within_{limit}_ms"] for limit in (20, 50, 200, 500)] == ["0.0", "0.5", "0.5", "1.0"]
    assert [(row["after_s"], row["suggestions"], row["mostly_unchanged"]) for row in await asking.rows("retained")] == [
        ("30", "1", "1"),
        ("120", "1", "0"),
    ]


async def test_the_reader_chooses_by_what_figures_are_grouped(asking: Asking, tmp_path: Path) -> None:
    assert [(row["editor"], row["shown"]) for row in await asking.rows("groups")] == [("", "5"), ("neovim", "1")]
    by_cohort = await asking.rows("groups", "days=all&by=cohort")
    assert [(row["cohort"], row["shown"]) for row in by_cohort] == [("", "5"), ("treatment", "1")]
    at = {"start": Position.LINE_START, "end": Position.LINE_END}
    said = [replace(shown(id, "python"), position=place) for id, place in at.items()]
    end = replace(accepted("end", "python"), position=Position.LINE_END)
    typed = Event(Kind.TYPED, "python", characters=9)
    asking = Asking(app_of(write(tmp_path / "placed.sqlite3", *said, end, typed)))
    rows = await asking.rows("groups", "by=position")
    assert [(row["position"], row["shown"], row["accepted"], row["percent_code_typed"]) for row in rows] == [
        ("line end", "1", "1", ""),
        ("line start", "1", "0", ""),
    ]
    page = await asking.text("/dashboard?by=position")
    assert "By position" in page and "<option selected>position</option>" in page
    # The other figures are what they are without it, and every link keeps the choice.
    assert tile(page, "shown") == tile(await asking.text("/dashboard"), "shown") == "2"
    assert "csv/groups.csv?days=28&amp;by=position" in page and "?days=7&amp;by=position" in page


async def test_days_to_come_are_not_of_the_last_ones(database: Path) -> None:
    write(database, shown("later", "python"), on=TODAY + timedelta(days=400))
    asking = Asking(app_of(database))
    assert tile(await asking.text("/dashboard"), "shown") == "5"
    assert tile(await asking.text("/dashboard?days=all"), "shown") == "7"


async def test_the_page_shows_what_the_metrics_say(asking: Asking, database: Path) -> None:
    page = await asking.text("/dashboard?days=all")
    figures = metrics(LocalSource(database)(since=None, until=None))
    assert figures.acceptance_rate is not None
    assert tile(page, "requested") == f"{figures.requested:,}"
    assert tile(page, "acceptance_rate") == f"{100 * figures.acceptance_rate:.1f}\u2009%"
    assert tile(page, "keystrokes_saved") == f"{figures.keystrokes_saved:,}"


async def test_many_days_are_shown_by_the_week(tmp_path: Path) -> None:
    buckets = [
        Bucket(Key((date(2026, 1, 5) + timedelta(days=number)).isoformat(), "python", "base"), Counter(shown=1))
        for number in range(98)
    ]
    app = FastAPI()
    app.include_router(dashboard.router(source_of(buckets), today=lambda: TODAY))
    rows = await Asking(app).rows("over_time")
    assert [row["week"] for row in rows[:2]] == ["2026-01-05", "2026-01-12"]
    assert [row["shown"] for row in rows] == ["7"] * 14


# Filters.


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("days=all", 6),
        ("days=28", 5),
        ("", 5),
        ("language=go", 1),
        ("model=base", 4),
        ("editor=neovim", 1),
        ("editor=(none)", 4),
        ("cohort=treatment", 1),
        ("language=python&model=tuned", 0),
        ("first=2026-01-05&last=2026-01-05", 1),
        ("last=2026-10-30", 1),
        ("first=2026-10-31", 5),
    ],
)
async def test_the_url_narrows_every_figure(asking: Asking, query: str, count: int) -> None:
    (row,) = await asking.rows("overview", query)
    assert row["shown"] == str(count)
    page = await asking.text(f"/dashboard?{query}")
    assert tile(page, "shown") == (str(count) if count else None)


async def test_the_csv_of_a_panel_keeps_the_filters_of_its_page(asking: Asking) -> None:
    page = await asking.text("/dashboard?language=go&days=all")
    (address,) = re.findall(r'href="(dashboard/csv/languages\.csv[^"]*)"', page)
    rows = list(csv.DictReader(StringIO(await asking.text(f"/{html.unescape(address)}"))))
    assert [row["language"] for row in rows] == ["go"]


texts = st.text(min_size=1).map(str.strip).filter(lambda text: text and text != NONE) | st.just("")


@given(
    st.one_of(
        st.tuples(st.none(), st.none(), st.integers(1, 36_500) | st.none()),
        st.tuples(st.dates(max_value=TODAY), st.just(TODAY), st.none()),
        st.tuples(st.dates(), st.none(), st.none()),
    ),
    st.fixed_dictionaries({}, optional={**dict.fromkeys(DIMENSIONS, texts), "by": st.sampled_from(GROUPS)}),
)
def test_a_url_says_all_that_was_asked_for(
    time: tuple[date | None, date | None, int | None], exact: dict[str, str]
) -> None:
    first, last, days = time
    filters = Filters(first, last, None, **exact)
    if first is None:
        filters = filters.latest(days, today=TODAY)
    assert Filters.read(dict(parse_qsl(filters.query)), today=TODAY) == filters


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("first=yesterday", "first is no day: write it as 2026-10-31"),
        ("first=2026-10-02&last=2026-10-01", "first=2026-10-02 is after last=2026-10-01: exchange them"),
        ("days=0", "days is no number of days: write 1 to 36500, or all"),
        ("days=99999", "days is no number of days: write 1 to 36500, or all"),
        ("by=user", "by is no way to group: write editor, position, cohort"),
        ("days=%C2%B2", "days is no number of days: write 1 to 36500, or all"),
    ],
)
async def test_what_a_url_gets_wrong_is_one_line(asking: Asking, query: str, problem: str) -> None:
    answer = await asking.get(f"/dashboard?{query}")
    assert (answer.status_code, re.findall(r'<p role="alert">(.*)</p>', answer.text)) == (400, [problem])
    answer = await asking.get(f"/dashboard/csv/languages.csv?{query}")
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, problem)


# Safety.


async def test_nothing_of_the_database_is_markup(tmp_path: Path) -> None:
    path = write(
        tmp_path / "telemetry.sqlite3",
        suggested("a", HOSTILE, HOSTILE),
        shown("a", HOSTILE, HOSTILE),
        Event(Kind.FILTERED, HOSTILE, HOSTILE, reason=HOSTILE),
        Event(Kind.ASSISTED, HOSTILE, HOSTILE, source=HOSTILE),
    )
    page = await Asking(app_of(path)).text("/dashboard")
    assert "onerror" in html.unescape(page)
    assert "<img" not in page
    assert "<img" not in await Asking(app_of(path)).text(
        f"/dashboard?{httpx.QueryParams(language=HOSTILE, model='<img>')}"
    )


async def test_a_cell_is_no_formula_for_a_spreadsheet(tmp_path: Path) -> None:
    path = write(tmp_path / "telemetry.sqlite3", shown("a", "=HYPERLINK(1)"))
    (row,) = await Asking(app_of(path)).rows("languages")
    assert row["language"] == "'=HYPERLINK(1)"


@pytest.mark.parametrize("path", ["", "/page.css", "/page.js", "/icon.svg", "/csv/overview.csv", "?first=x"])
async def test_the_policy_allows_the_pages_own_files_alone(asking: Asking, path: str) -> None:
    answer = await asking.get(f"/dashboard{path}")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy and "http" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_page_has_no_script_style_or_address_of_its_own(asking: Asking) -> None:
    page = await asking.text("/dashboard?days=all")
    assert re.findall(r"<script[^>]*>(.+?)</script>", page) == []
    assert re.findall(r"<style| style=| on\w+=", page) == []
    addresses = re.findall(r'(?:href|src|action)="([^"]*)"', page)
    assert addresses and not [address for address in addresses if "//" in address]


@pytest.mark.parametrize("path", ["nothing.css", "page.html", "csv/nothing.csv", "..%2Frouter.py"])
async def test_other_paths_are_not_there(asking: Asking, path: str) -> None:
    assert (await asking.get(f"/dashboard/{path}")).status_code == 404


# States.


async def test_an_empty_database_says_what_to_do(tmp_path: Path) -> None:
    asking = Asking(app_of(tmp_path / "none.sqlite3"))
    page = await asking.text("/dashboard")
    assert "Nothing was counted in these days" in page and "codecompose-ls doctor" in page
    assert "telemetry_url" not in page
    assert not (tmp_path / "none.sqlite3").exists()
    for panel in PANELS:
        assert (await asking.text(f"/dashboard/csv/{panel}.csv")).count("\n") == (2 if panel == "overview" else 1)


async def test_filters_that_match_nothing_say_so(asking: Asking) -> None:
    page = await asking.text("/dashboard?language=cobol")
    assert "Nothing matches these filters" in page
    # What is chosen stays in the menu.
    assert '<option value="cobol" selected>cobol</option>' in page


async def test_a_damaged_database_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite3"
    path.write_bytes(b"no database" * 1000)
    answer = await Asking(app_of(path)).get("/dashboard")
    assert answer.status_code == 400
    assert "telemetry purge" in answer.text


async def test_an_axis_of_counts_has_whole_numbers_each_once(tmp_path: Path) -> None:
    path = write(tmp_path / "few.sqlite3", Event(Kind.FILTERED, "python", reason="repetition"))
    page = await Asking(app_of(path)).text("/dashboard")
    chart = page[page.index('aria-labelledby="filtered"') : page.index('aria-labelledby="assistants"')]
    axis = chart[chart.index('class="axis x') :]
    assert re.findall(r"<text[^>]*>([^<]+)</text>", axis[: axis.index("</g></g>")]) == ["0", "1"]


async def test_the_record_of_a_rollout_is_shown_the_latest_first(
    asking: Asking, database: Path, tmp_path: Path
) -> None:
    record = tmp_path / "rollout.jsonl"
    write_record(record)
    rows = await Asking(app_of(database, record=record)).rows("rollout")
    assert [(row["experiment"], row["what"], row["percent"]) for row in rows] == [
        ("shop-tuned", "advance", "20.0"),
        ("shop-tuned", "started", "5.0"),
    ]
    assert len(Record(record).entries()) == 2


async def test_arms_are_compared_as_of_the_latest_look(database: Path, tmp_path: Path) -> None:
    path = tmp_path / "rollout.jsonl"
    write_record(path)
    record, (experiment,) = Record(path), parse(ROLLOUT).experiments
    state = State(TODAY, 1)

    def effect(metric: str, new: float) -> Effect:
        comparison = Comparison(metric, 40, 41, old=0.2, new=new, difference=new - 0.2, standard_error=0.01)
        return Effect(comparison, low=new - 0.25, high=new - 0.1)

    for new in (0.3, 0.25):
        effects = (effect("acceptance_rate", new), effect("latency_ms", 2.0))
        record.enter(experiment, state, Decision(Verdict.HOLD, "day 1 of 2", state, effects=effects))
    rows = await Asking(app_of(database, record=path)).rows("arms")
    assert [row["metric"] for row in rows] == ["acceptance_rate", "latency_ms"]
    assert {name: float(rows[0][name]) for name in ("old", "new", "difference", "low", "high", "new_users")} == (
        pytest.approx({"old": 0.2, "new": 0.25, "difference": 0.05, "low": 0.0, "high": 0.15, "new_users": 41})
    )
    page = await Asking(app_of(database, record=path)).text("/dashboard?language=nobody's")
    assert "Arms compared" in page and ">0.05<" in page
    assert await Asking(app_of(database, record=path, smallest_group=41)).rows("arms") == []


async def test_a_damaged_record_costs_its_panel_alone(database: Path, tmp_path: Path) -> None:
    record = tmp_path / "rollout.jsonl"
    record.write_text("not JSON\n", encoding="utf-8")
    page = await Asking(app_of(database, record=record)).text("/dashboard")
    assert "rollout.jsonl:1 is not a line of a roll-out" in html.unescape(page)
    assert tile(page, "shown") == "5"


# A team.


def team(*shares: tuple[str, str, int]) -> dashboard.Source:
    """A source of suggestions shown: by user, language and number."""
    buckets = [
        Bucket(Key("2026-10-30", language, "base", user=user), Counter(shown=number))
        for user, language, number in shares
    ]
    return source_of(buckets)


def source_of(buckets: list[Bucket]) -> dashboard.Source:
    return lambda since, until, tell_positions=False: buckets


async def test_figures_of_too_few_people_are_not_shown(tmp_path: Path) -> None:
    app = FastAPI()
    source = team(("ann", "python", 5), ("ben", "python", 7), ("ann", "go", 3))
    app.include_router(dashboard.router(source, smallest_group=2, today=lambda: TODAY))
    asking = Asking(app)
    assert [(row["language"], row["shown"], row["users"]) for row in await asking.rows("languages")] == [
        ("python", "12", "2")
    ]
    assert "Figures of fewer than 2 people are not shown" in await asking.text("/dashboard?language=go")
    assert "Across people intervals of shares are too narrow" in await asking.text("/dashboard")
    assert (await asking.rows("overview", "language=go"))[0]["shown"] == "0"


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcd"),
            st.sampled_from(("2026-10-29", "2026-10-30")),
            *(st.sampled_from(("", "x", "y")) for _ in range(4)),
        ),
        unique=True,
        max_size=40,
    ),
    st.integers(2, 3),
    st.sampled_from(GROUPS),
)
def test_no_row_taken_from_the_totals_leaves_what_too_few_have_done(
    keys: list[tuple[str, ...]], least: int, by: str
) -> None:
    buckets = [
        Bucket(Key(day, language, model, "", editor, cohort, user), Counter(shown=2**number))
        for number, (user, day, language, model, editor, cohort) in enumerate(keys)
    ]
    view = View(buckets, Filters(by=by), smallest_group=least)
    for rows in (view.by("language"), view.by("model"), view.over_time, {} if by == "position" else view.by(by)):
        # Powers of two: the sum says which buckets are in it.
        assert not rows or sum(row.shown for row in rows.values()) == view.total.shown
        for row in rows.values():
            users = {bucket.key.user for bucket in buckets if bucket.counters["shown"] & row.shown}
            assert len(users) >= least


async def test_neither_menus_nor_assistants_tell_what_one_person_uses() -> None:
    def of(user: str, language: str, assistant: str) -> Bucket:
        counters = Counter({"shown": 1, f"assisted.{assistant}": 1})
        return Bucket(Key("2026-10-30", language, "base", user=user), counters)

    source = source_of([of("ann", "python", "explain"), of("ben", "python", "anns-own"), of("ann", "cobol", "explain")])
    for least, is_told in ((2, False), (1, True)):
        app = FastAPI()
        app.include_router(dashboard.router(source, smallest_group=least, today=lambda: TODAY))
        page = await Asking(app).text("/dashboard")
        assert ("cobol" in page, "anns-own" in page) == (is_told, is_told)
        assert ("are left out of every figure" in page) != is_told
        assert [(row["assistant"], row["assisted"]) for row in await Asking(app).rows("assistants")] == (
            [("anns-own", "1"), ("explain", "2")] if is_told else [("all together", "2")]
        )


async def test_the_team_service_shows_it_to_those_with_a_token(database: Path) -> None:
    router = dashboard.router(LocalSource(database), today=lambda: TODAY)
    app = create_app(Catalogue(Script()), Tokens([TOKEN]), routers=[router])
    assert (await Asking(app).get("/dashboard")).status_code == 401
    assert tile(await Asking(app, **HEADERS).text("/dashboard"), "shown") == "5"


async def test_by_itself_it_answers_to_this_machines_names_alone(database: Path) -> None:
    app = local.create_app(database)
    assert (await Asking(app).get("/dashboard")).status_code == 200
    assert (await Asking(app).get("/")).headers["location"] == "/dashboard"
    assert (await Asking(app, Host="rebound.example").get("/dashboard")).status_code == 400


def test_filters_reject_a_day_that_is_none() -> None:
    with pytest.raises(InputError):
        Filters.read({"last": "2026-13-01"}, today=TODAY)


def tile(page: str, name: str) -> str | None:
    found = re.search(rf'<div id="{name}">.*?<span class="value">(.*?)</span>', page)
    return found and html.unescape(found[1])
