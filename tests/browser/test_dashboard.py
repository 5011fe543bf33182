"""What a reader of the dashboard sees and does, in a real browser. Every test also sees to it that nothing is asked of
another host and that the console stays silent (`opened`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codecompose_ls.telemetry.buckets import buckets
from codecompose_ls.telemetry.events import Event, Kind
from codecompose_ls.telemetry.metrics import Metrics, breakdown, metrics
from codecompose_ls.telemetry.store import Store
from tests.browser.conftest import DATABASE, dashboard

if TYPE_CHECKING:
    from playwright.sync_api import Page

    Open = Callable[..., Page]

#: Texts, and what is drawn in figures, whose contrast to what is behind them is too low: WCAG 2.2, 1.4.3 and 1.4.11.
LOW_CONTRAST = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    const rgb = color => {
        canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const behind = node => {
        for (; node; node = node.parentElement) {
            const color = rgb(getComputedStyle(node).backgroundColor);
            if (color[3] === 255) return light(color);
        }
        return 1;
    };
    const low = [];
    const check = (node, color, least) => {
        const found = ratio(light(rgb(color)), behind(node));
        if (found < least) low.push(`${node.tagName} ${node.className.baseVal ?? node.className} ${found.toFixed(2)}`);
    };
    for (const node of document.querySelectorAll("body *")) {
        if (!node.checkVisibility()) continue;
        const style = getComputedStyle(node);
        const text = [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
        if (text && node.tagName !== "title") check(node, node.closest("svg") ? style.fill : style.color, 4.5);
        if (node.matches(".dot, .rect")) check(node, style.fill, 3);
        if (node.matches(".line.reactive")) check(node, style.stroke, 3);
        if (node.matches("input, select, button")) check(node.parentElement, style.borderTopColor, 3);
    }
    return [...new Set(low)];
}"""


#: What scrolls sideways and is no stop of the Tab key: WCAG 2.2, 2.1.1.
SCROLLS_WITHOUT_A_STOP = """() => [...document.querySelectorAll("body *")]
    .filter(node => node.scrollWidth > node.clientWidth && getComputedStyle(node).overflowX === "auto")
    .filter(node => !node.hasAttribute("tabindex")).map(node => node.outerHTML.slice(0, 80))"""


def figures(folder: Path, *, days: int | None = 28, **exact: str) -> Metrics:
    """What the page should show of the last so many days."""
    return metrics(buckets(folder / DATABASE, since=since(days), **exact))  # type: ignore[arg-type]


def since(days: int | None) -> date | None:
    return datetime.now(timezone.utc).date() - timedelta(days=days - 1) if days else None


def tile(page: Page, name: str) -> str:
    return page.locator(f"#{name} .value").inner_text()


def share(value: float | None) -> str:
    assert value is not None
    return f"{100 * value:.1f}\u2009%"


def shows(page: Page, found: Metrics) -> None:
    """Compare every figure of the overview."""
    seen = [tile(page, name) for name in ("requested", "shown", "keystrokes_saved", "characters_retained")]
    assert seen == [
        f"{value:,}" for value in (found.requested, found.shown, found.keystrokes_saved, found.characters_retained)
    ]
    assert tile(page, "acceptance_rate") == share(found.acceptance_rate)
    assert tile(page, "percent_code_typed") == share(found.percent_code_typed)
    assert tile(page, "latency_ms_p95") == f"{found.latency_ms['engine'].p95:,.0f}\u2009ms"
    low, high = found.acceptance_rate_low or 0.0, found.acceptance_rate_high or 0.0
    assert f"({100 * low:.1f}–{100 * high:.1f})" in page.locator("#acceptance_rate").inner_text()


def table(page: Page, name: str) -> list[list[str]]:
    """The rows of a panel's table."""
    rows = page.locator(f"section[aria-labelledby={name}] tbody tr").all()
    return [[cell.inner_text() for cell in row.locator("th, td").all()] for row in rows]


def focused(page: Page) -> str:
    """What has the focus, as it is called."""
    text: str = page.evaluate(
        "() => { const it = document.activeElement;"
        " return (it.labels?.[0] ?? it).textContent.trim().split('\\n')[0].trim(); }"
    )
    return text


# Figures.


def test_the_figures_on_the_page_are_the_metrics(page: Page, month: Path) -> None:
    shows(page, figures(month))


def test_the_table_of_languages_is_the_breakdown(page: Page, month: Path) -> None:
    expected = breakdown(buckets(month / DATABASE, since=since(28)), by="language")
    assert [(row[0], row[1], row[3].split(" (")[0], row[4]) for row in table(page, "languages")] == [
        (name, f"{found.shown:,}", share(found.acceptance_rate), share(found.percent_code_typed))
        for name, found in expected.items()
    ]


def test_a_chart_tells_the_value_under_the_pointer(page: Page, month: Path) -> None:
    funnel = figures(month).funnel
    titles = page.locator("section[aria-labelledby=funnel] svg .bar title").all_text_contents()
    assert sorted(titles)[-1] == f"with a suggestion: {funnel['answered']:,}"
    assert f"shown: {funnel['shown']:,}" in titles


def test_arms_and_the_record_of_the_rollout_are_there(page: Page) -> None:
    assert [row[1:5] for row in table(page, "arms")] == [
        ["acceptance_rate", "0.218", "0.246", "0.021"],
        ["latency_ms", "41.3", "43.9", "2.4"],
    ]
    assert [row[1:3] for row in table(page, "rollout")] == [["shop-tuned", "advance"], ["shop-tuned", "started"]]


# Filters.


def test_a_filter_is_in_the_url_and_the_back_button_takes_it_away(page: Page, month: Path, opened: Open) -> None:
    page.get_by_role("combobox", name="Language").select_option("typescript")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**language=typescript**")
    expected = figures(month, language="typescript")
    shows(page, expected)
    assert [row[0] for row in table(page, "languages")] == ["typescript"]
    # Whoever gets the address sees the same.
    shows(opened(page.url), expected)
    page.go_back()
    shows(page, figures(month))
    page.go_forward()
    shows(page, expected)


def test_a_period_keeps_the_other_filters(page: Page, month: Path) -> None:
    page.get_by_role("combobox", name="Editor").select_option("neovim")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="7 days").click()
    page.wait_for_url("**days=7**")
    shows(page, figures(month, days=7, editor="neovim"))
    page.get_by_role("link", name="Clear filters").click()
    shows(page, figures(month, days=7))


def test_days_that_are_none_are_explained(opened: Open, address: str) -> None:
    answer = opened(address).request.get(f"{address}?first=x")
    assert (answer.status, "write it as 2026-10-31" in answer.text()) == (400, True)


def test_a_csv_has_the_figures_of_its_page(page: Page, month: Path) -> None:
    page.get_by_role("combobox", name="Model").select_option("base")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**model=base**")
    with page.expect_download() as download:
        page.get_by_role("link", name="Models compared as CSV").click()
    assert download.value.suggested_filename == "models.csv"
    head, row = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    named = dict(zip(head.split(","), row.split(","), strict=True))
    assert (named["model"], named["shown"]) == ("base", str(figures(month, model="base").shown))


# Keyboard and screen reader.


def test_everything_is_reached_by_the_keyboard_in_the_order_of_the_page(page: Page) -> None:
    reached = []
    for _ in range(15):
        page.keyboard.press("Tab")
        reached.append(focused(page))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        # A date has three fields of its own.
        while page.evaluate("document.activeElement.type") == "date" and len(reached) < 40:
            page.keyboard.press("Tab")
            if focused(page) != reached[-1]:
                reached.append(focused(page))
    assert reached[:14] == [
        "Skip to the figures", "Feedback", "Dark", "From", "To", "Language", "Model", "Editor", "Cohort", "Group by",
        "Show", "7 days", "28 days", "90 days",
    ]  # fmt: skip


def test_a_filter_is_set_without_a_mouse(page: Page, month: Path) -> None:
    page.get_by_role("combobox", name="Language").focus()
    page.keyboard.type("rust")
    for _ in range(5):
        page.keyboard.press("Tab")
    assert focused(page) == "Show"
    page.keyboard.press("Enter")
    page.wait_for_url("**language=rust**")
    shows(page, figures(month, language="rust"))


def test_the_skip_link_leads_to_the_figures_and_a_table_opens_by_key(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "figures"
    page.locator("section[aria-labelledby=latency] summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("section[aria-labelledby=latency] table").is_visible()


def test_every_part_has_a_name_and_every_chart_a_table(page: Page) -> None:
    for role in ("banner", "search", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1  # type: ignore[arg-type]
    assert page.get_by_role("navigation", name="Periods").count() == 1
    sections = page.locator("main section").all()
    assert len(sections) == 12
    for section in sections:
        name = section.get_attribute("aria-labelledby")
        assert section.locator(f"h2#{name}").inner_text()
        for chart in section.get_by_role("img").all():
            assert chart.get_attribute("aria-label")
            assert section.locator("details table").count() == 1
    assert page.get_by_role("img").count() == 6


def test_what_scrolls_is_reached_by_the_keyboard(opened: Open, address: str) -> None:
    for path in ("/dashboard", "/feedback"):
        page = opened(address.replace("/dashboard", path))
        page.set_viewport_size({"width": 360, "height": 640})
        page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
        assert page.evaluate(SCROLLS_WITHOUT_A_STOP) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


# Light and dark.


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


def test_the_colours_follow_the_system_and_can_be_read(scheme: str, opened: Open, address: str) -> None:
    page = opened(address, color_scheme=scheme)
    assert is_dark(page) == (scheme == "dark")
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    assert page.evaluate(LOW_CONTRAST) == []


def test_the_reader_chooses_and_the_choice_stays(scheme: str, opened: Open, address: str) -> None:
    page = opened(address, color_scheme=scheme)
    button = page.get_by_role("button", name="Dark")
    assert button.get_attribute("aria-pressed") == str(scheme == "dark").lower()
    button.click()
    assert is_dark(page) == (scheme == "light")
    page.reload()
    assert is_dark(page) == (scheme == "light")
    assert button.get_attribute("aria-pressed") == str(scheme == "light").lower()


def test_its_picture_is_taken(scheme: str, opened: Open, address: str, artefacts: Path) -> None:
    page = opened(address, color_scheme=scheme)
    file = artefacts / f"dashboard-{scheme}.png"
    # Its head in the light, its end in the dark.
    end = page.evaluate("document.documentElement.scrollHeight")
    top = 0 if scheme == "light" else end - 2040
    page.screenshot(path=file, clip={"x": 0, "y": top, "width": 1100, "height": 2040}, full_page=True)
    assert file.stat().st_size > 20_000


def is_dark(page: Page) -> bool:
    return bool(page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 31)")


# Feedback.


def test_feedback_is_tagged_on_its_page_in_the_colours_of_the_dashboard(
    scheme: str, opened: Open, address: str
) -> None:
    page = opened(address, color_scheme=scheme)
    page.get_by_role("link", name="Feedback").click()
    page.wait_for_url("**/feedback")
    assert is_dark(page) == (scheme == "dark") and page.evaluate(LOW_CONTRAST) == []
    page.get_by_role("textbox", name="Themes, with commas between").first.fill(f"documentation, {scheme}")
    page.keyboard.press("Enter")
    page.get_by_role("link", name=scheme).click()
    page.wait_for_url(f"**theme={scheme}")
    assert [row[1] for row in table(page, "comments")] == ["up"]
    page.get_by_role("button", name="Dark").click()
    page.get_by_role("link", name="Dashboard").click()
    page.wait_for_url("**/dashboard")
    assert is_dark(page) == (scheme == "light")


# What is not usual.


def test_it_needs_no_script(opened: Open, address: str, month: Path) -> None:
    page = opened(f"{address}?language=python", java_script_enabled=False)
    assert page.locator("#theme").is_hidden()
    assert tile(page, "shown") == f"{figures(month, language='python').shown:,}"


def test_an_empty_database_says_what_to_do(opened: Open, tmp_path: Path) -> None:
    with dashboard(tmp_path) as address:
        page = opened(address)
        assert page.get_by_role("heading", name="Nothing was counted in these days").is_visible()
        assert "codecompose-ls doctor" in page.get_by_role("main").inner_text()


def test_what_editors_call_things_is_never_markup(opened: Open, tmp_path: Path) -> None:
    name = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"
    store = Store(tmp_path / DATABASE, report=pytest.fail)
    for event in (
        Event(Kind.GENERATED, name, name, suggestion="a", source="engine", latency_ms=9.0),
        Event(Kind.ACCEPTED, name, name, suggestion="a", characters=9, decision_ms=9.0),
        Event(Kind.FILTERED, name, name, reason=name),
        Event(Kind.ASSISTED, name, name, source=name),
    ):
        store.record(event)
    store.close(timeout_s=60)
    with dashboard(tmp_path) as address:
        page = opened(address)
        assert table(page, "languages")[0][0] == name
        assert (page.title(), page.locator("img").count()) == ("CodeCompose LS: what it is worth", 0)
