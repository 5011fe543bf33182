"""The report says what the results say, is one whole file, and takes no name for markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from codecompose_ls.errors import InputError
from codecompose_ls.evaluation import html, report
from codecompose_ls.evaluation.html.charts import share_axis, time_axis
from codecompose_ls.evaluation.results import Outcome, Results

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Reads a page and refuses what does not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data

    def row(self, *start: str) -> list[str]:
        """Return the one row that starts so."""
        (found,) = [row for row in self.rows if row[: len(start)] == list(start)]
        return found


def outcomes(predictor: str, hits: str, *, project: str = "httpx", language: str = "python") -> list[Outcome]:
    """Return an outcome for each letter: r(ight), w(rong) or s(ilent)."""
    return [
        Outcome(
            predictor=predictor,
            case=f"{project}{number}",
            project=project,
            path_hash=str(number),
            language=language,
            kind="mid_line" if number % 2 else "line_start",
            hit=letter == "r",
            edit_similarity=1.0 if letter == "r" else 0.5 if letter == "w" else 0.0,
            hidden_chars=10,
            answered=letter != "s",
            reason="filtered:repetition" if letter == "s" else "",
            latency_ms=10.0 * (number + 1),
            confidence={"r": 0.9, "w": 0.4}.get(letter) if predictor != "floor" else None,
        )
        for number, letter in enumerate(hits)
    ]


def results(*found: list[Outcome], **conditions: Any) -> Results:
    together = [outcome for part in found for outcome in part]
    return Results(conditions, tuple(report.rows(together)), tuple(report.comparisons(together)), tuple(together))


def page(*found: list[Outcome], **conditions: Any) -> Page:
    return Page(html.render(results(*found, **conditions)))


BASE, FLOOR = outcomes("base", "rrrrrrrrwwwwwwwwwwss"), outcomes("floor", "rrrrwwwwwwwwwwwwssss")


def test_the_figures_of_each_predictor_are_there() -> None:
    shown = page(FLOOR, BASE)
    assert shown.row("base", "20")[2] == "40.0\u2009% 21.9–61.3"
    assert shown.row("floor", "20")[2] == "20.0\u2009% 8.1–41.6"
    assert "Completion of httpx" in shown.texts["h1"]
    assert shown.texts["li"][:2] == [" 20.0\u2009% (8.1–41.6)", " 40.0\u2009% (21.9–61.3)"]


def test_kinds_stand_side_by_side() -> None:
    shown = page(FLOOR, BASE)
    assert shown.row("kind", "language", "n") == ["kind", "language", "n", "floor", "base"]
    assert shown.row("mid line", "python", "10")[3:] == ["20.0\u2009% 5.7–51.0", "40.0\u2009% 16.8–68.7"]


def test_a_comparison_says_which_one_is_better() -> None:
    row = page(FLOOR, BASE).row("floor", "base", "20")
    assert row == ["floor", "base", "20", "0", "4", "−20.0", "0.12", "0.12", "not shown"]
    many = page(outcomes("floor", "w" * 20), outcomes("base", "r" * 10 + "w" * 10)).row("floor", "base", "20")
    assert many == ["floor", "base", "20", "0", "10", "−50.0", "0.0020", "0.0020", "B"]


def test_silence_comes_with_its_reasons() -> None:
    shown = page(FLOOR, BASE)
    assert shown.row("base", "silent: filtered:repetition") == [
        "base",
        "silent: filtered:repetition",
        "2",
        "10.0\u2009%",
    ]
    assert shown.row("base", "right")[2:] == ["8", "40.0\u2009%"]


def test_latencies_are_told_by_percentile() -> None:
    assert page(BASE).row("base", "105") == ["base", "105", "152", "181", "190", "198", "200"]


def test_precision_against_coverage_needs_confidences() -> None:
    shown = page(FLOOR, BASE)
    assert shown.row("base", "0.5") == ["base", "0.5", "8", "40.0\u2009%", "100.0\u2009% 67.6–100.0"]
    assert shown.row("base", "0.4") == ["base", "0.4", "18", "90.0\u2009%", "44.4\u2009% 24.6–66.3"]
    assert "When to stay silent" in shown.texts["h2"]
    assert "When to stay silent" not in page(FLOOR).texts["h2"]


def test_several_projects_are_shown_one_by_one_and_together() -> None:
    other = outcomes("base", "rwwwwwwwww", project="gin", language="go")
    shown = page(BASE, other)
    assert shown.row("All projects", "base")[2:4] == ["30", "30.0\u2009% 16.7–47.9"]
    assert shown.row("gin", "base")[2:4] == ["10", "10.0\u2009% 1.8–40.4"]
    assert {"All projects (30)", "httpx (20)", "gin (10)"} <= set(shown.texts["text"])
    assert "Completion of gin and httpx" in shown.texts["h1"]


def test_a_benchmark_shows_its_pass_rate() -> None:
    ran = [replace(outcome, passed=number < 10) for number, outcome in enumerate(BASE)]
    shown = page(ran)
    assert shown.row("", "n")[6] == "pass@1" and shown.row("base", "20")[6].startswith("50.0\u2009%")
    assert "pass@1" not in page(BASE).row("", "n")


def test_what_was_measured_stands_at_the_top() -> None:
    history = {
        "since": "0123456789abcdef",
        "since_date": "2025-05-01T00:00:00+00:00",
        "head": "fedcba9876543210",
        "head_date": "2025-11-01T00:00:00+00:00",
        "added": 1200,
        "asked": 700,
    }
    shown = page(
        BASE, history={"httpx": history}, models={"base": "a1b2c3d4e5f6"}, date="2025-11-21", machine="2 cores"
    )
    line = shown.texts["p"][0]
    assert line == (
        "lines added to httpx from 2025-05-01 (0123456789) to 2025-11-01 (fedcba9876) · model base (a1b2c3d4) · "
        "2025-11-21 · 2 cores"
    )
    assert shown.row("httpx", "2025-05-01")[5:] == ["1200", "700"]


def test_conditions_are_listed(tmp_path: Path) -> None:
    shown = page(BASE, seed=0, suffix=False, language=None, settings={"max_tokens": 64}, arms=["full", "floor"])
    pairs = dict(zip(shown.texts["dt"], shown.texts["dd"], strict=True))
    assert pairs == {"seed": "0", "suffix": "no", "settings.max_tokens": "64", "arms": "full, floor"}


def test_names_are_no_markup() -> None:
    name = '<script>alert("&")</script>'
    text = html.render(results(outcomes(name, "rw", project=name, language=name), models={name: name}))
    shown = Page(text)
    assert "script" not in {tag for tag, _ in shown.tags}
    assert f"Completion of {name}" in shown.texts["h1"]


def test_the_file_needs_nothing_else() -> None:
    text = html.render(results(FLOOR, BASE))
    shown = Page(text)
    assert not {tag for tag, _ in shown.tags} & {"script", "link", "img", "iframe", "object", "base"}
    assert not [attributes for _, attributes in shown.tags if {"src", "href", "xlink:href"} & set(attributes)]
    assert not re.search(r"https?:|//\w|url\(|@import", text)
    assert 'charset="utf-8"' in text and text.startswith("<!DOCTYPE html>")


def test_every_figure_has_a_name_and_its_numbers() -> None:
    shown = page(FLOOR, BASE)
    figures = [attributes for tag, attributes in shown.tags if tag == "svg" and attributes.get("role") == "img"]
    assert len(figures) == 4 and all(attributes["aria-label"] for attributes in figures)
    assert shown.texts["summary"].count("The figure as a table") == 4
    assert "prefers-color-scheme: dark" in shown.texts["style"][0]


def test_figures_stay_in_their_frame() -> None:
    for text in re.findall(r'<polyline points="([^"]+)"', html.render(results(FLOOR, BASE))):
        for x, y in (map(float, point.split(",")) for point in text.split()):
            assert 0 <= x <= 800 and 0 <= y <= 330


def test_large_results_make_no_large_file() -> None:
    many = [outcomes(f"model {number}", "rws" * 300) for number in range(8)]
    assert len(html.render(results(*many)).encode()) < 1_000_000


def test_nothing_asked_is_said(tmp_path: Path) -> None:
    assert "Nothing was asked." in Page(html.render(Results({}, (), (), ()))).texts["p"]


def test_a_report_is_written_where_it_is_wanted(tmp_path: Path) -> None:
    odd = results(outcomes("base", "r", project="caf\udce9"))
    path = html.save(odd, tmp_path / "new" / "folder")
    assert path.name == "report.html" and "caf?" in path.read_text(encoding="utf-8")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        html.save(odd, tmp_path / "file" / "folder")


@pytest.mark.parametrize(
    ("high", "ticks"),
    [(0.0, 2), (0.05, 2), (0.23, 6), (0.3, 7), (0.31, 5), (0.613, 5), (1.0, 6)],
)
def test_an_axis_of_shares_ends_on_a_round_one(high: float, ticks: int) -> None:
    axis = share_axis("share", high=high)
    assert len(axis.ticks) == ticks and axis.high >= high and axis.ticks[-1] == pytest.approx(axis.high)


def test_an_axis_of_time_is_logarithmic() -> None:
    axis = time_axis("latency", low=3.0, high=1500.0)
    assert [axis.write(tick) for tick in (axis.low, axis.high)] == ["2\u2009ms", "2\u2009s"]
    assert axis.place(2.0, 0, 300) == 0 and axis.place(2000.0, 0, 300) == 300
    assert axis.place(20.0, 0, 300) == pytest.approx(100) and axis.place(0.0, 0, 300) == 0
