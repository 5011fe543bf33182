"""Settings: every source, who wins, what a project may say, and what becomes of a wrong value."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.settings import PROJECT_FILE, Problem, Settings, load, merge

NAMES = [item.name for item in fields(Settings)]
NARROWING = {"enabled", "disabled_languages", "ignore", "index"}


@pytest.fixture(autouse=True)
def user_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's user keeps their settings."""
    path = tmp_path / "user" / "settings.toml"
    path.parent.mkdir()
    monkeypatch.setenv("CODECOMPOSE_CONFIG", str(path))
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    return root


def only(problems: list[Problem]) -> str:
    (problem,) = problems
    assert "\n" not in str(problem)
    return str(problem)


# Sources and precedence.


def test_without_any_source_the_defaults_hold(project: Path) -> None:
    assert load(root=project) == (Settings(), [])
    assert load(root=None) == (Settings(), [])


def test_later_sources_win(user_file: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user_file.write_text("threads = 1\ndebounce_ms = 1\nmax_tokens = 1\n")
    monkeypatch.setenv("CODECOMPOSE_DEBOUNCE_MS", "2")
    monkeypatch.setenv("CODECOMPOSE_MAX_TOKENS", "2")
    settings, problems = load(root=project, editor={"maxTokens": 3})
    assert (settings.threads, settings.debounce_ms, settings.max_tokens) == (1, 2, 3)
    assert problems == []


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("enabled", "false", False),
        ("enabled", "0", False),
        ("POPUP", "TRUE", True),
        ("popup", "1", True),
        ("threads", "7", 7),
        ("model", "big", "big"),
        ("debounce", "fixed", "fixed"),
        ("ignore", "*.gen.py,secret/", ("*.gen.py", "secret/")),
        ("ignore", "", ()),
    ],
)
def test_the_environment_spells_values_as_text(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object
) -> None:
    monkeypatch.setenv(f"CODECOMPOSE_{name.upper()}", text)
    settings, problems = load()
    assert getattr(settings, name.lower()) == value
    assert problems == []


@pytest.mark.parametrize(
    ("name", "text"), [("enabled", "yes"), ("threads", "two"), ("threads", "9" * 5000), ("debounce", "")]
)
def test_an_environment_that_fits_no_type_is_named(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv(f"CODECOMPOSE_{name.upper()}", text)
    settings, problems = load()
    assert settings == Settings()
    assert only(problems).startswith(f"environment: setting '{name}' must be ")


@pytest.mark.parametrize("name", NAMES)
def test_names_may_be_in_camel_case_or_not(name: str) -> None:
    first, *others = name.split("_")
    camel = first + "".join(part.capitalize() for part in others)
    value = getattr(Settings(), name)
    for spelling in (name, camel):
        assert merge(Settings(), {spelling: value}, source="editor") == (Settings(), [])


# Wrong values.

WRONG: dict[type, tuple[Any, ...]] = {
    bool: (1, 0, "true", None, [], {}, 1.0),
    int: ("1", 1.0, True, None, [], {}, -1, 2**40),
    str: (1, None, True, [], {}, ["a"]),
    tuple: ("*.py", 1, None, {}, ["a", 1], [["a"]], [None]),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in NAMES for value in WRONG[type(getattr(Settings(), name))]]
)
def test_a_wrong_value_is_named_once_and_the_one_before_stays(name: str, value: object) -> None:
    before, _ = merge(Settings(), {"threads": 5}, source="user")
    settings, problems = merge(before, {name: value, "popup": True} if name != "popup" else {name: value}, source="x")
    assert getattr(settings, name) == getattr(before, name)
    assert settings.popup is (name != "popup")
    assert only(problems).startswith(f"x: setting '{name}' must be ")


@pytest.mark.parametrize("name", ["multi_line", "debounce", "log_level"])
def test_a_choice_that_is_none_lists_those_that_are(name: str) -> None:
    settings, problems = merge(Settings(), {name: "sometimes"}, source="editor")
    assert settings == Settings()
    assert "must be one of " in only(problems) and "'sometimes'" in only(problems)


def test_an_unknown_setting_is_named_with_those_nearest() -> None:
    settings, problems = merge(Settings(), {"debounceMsec": 3, "treads": 4}, source="editor")
    assert settings.debounce_ms == Settings().debounce_ms
    assert [problem.setting for problem in problems] == ["debounceMsec", "treads"]
    assert "the nearest are debounce_ms, " in str(problems[0])
    assert "the nearest are threads, " in str(problems[1])


def test_a_message_stays_on_one_short_line() -> None:
    for values in ({"threads": "x\ny" * 1000}, {"a\nb" * 1000: 1}, {"ignore": ["a", 1] * 1000}):
        _, problems = merge(Settings(), values, source="editor")
        assert len(only(problems)) < 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    values=st.dictionaries(st.sampled_from([*NAMES, "maxTokens"]) | st.text(), JSON, max_size=5), narrow=st.booleans()
)
def test_no_value_can_break_the_settings(values: dict[str, Any], narrow: bool) -> None:
    settings, problems = merge(Settings(), values, source="editor", narrow=narrow)
    for name in NAMES:
        assert type(getattr(settings, name)) is type(getattr(Settings(), name))
    assert all("\n" not in str(problem) for problem in problems)
    assert len(problems) <= len(values)
    assert merge(settings, {}, source="editor") == (settings, [])


# Files.


@pytest.mark.parametrize(
    "content",
    [b"threads = ", b"\xff\xfe", b"threads = 1\nthreads = 2\n", b"a = " + b"9" * 5000, b"a = " + b"[" * 50_000],
)
def test_a_file_that_cannot_be_read_is_left_out(user_file: Path, project: Path, content: bytes) -> None:
    for path in (user_file, project / PROJECT_FILE):
        path.write_bytes(content)
        settings, problems = load(root=project)
        assert settings == Settings()
        assert only(problems).startswith(f"{path.name}: setting '*' cannot be read (")
        path.unlink()


def test_a_folder_in_place_of_a_file_is_left_out(user_file: Path) -> None:
    user_file.mkdir()
    settings, problems = load()
    assert settings == Settings()
    assert "cannot be read" in only(problems)


# What a project may say.


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NARROWING])
def test_a_project_cannot_set_what_is_its_user_s(project: Path, name: str) -> None:
    value = getattr(Settings(), name)
    written = str(value).lower() if isinstance(value, bool | int) else repr(value)
    (project / PROJECT_FILE).write_text(f"{name} = {written}\n")
    settings, problems = load(root=project)
    assert settings == Settings()
    assert only(problems) == f"{PROJECT_FILE}: setting '{name}' cannot be set by a project, only by its user"


def test_a_project_can_switch_off_and_never_on(user_file: Path, project: Path) -> None:
    for user, said, expected in ((True, False, False), (False, True, False), (True, True, True), (False, False, False)):
        user_file.write_text(f"enabled = {str(user).lower()}\n")
        (project / PROJECT_FILE).write_text(f"enabled = {str(said).lower()}\n")
        assert load(root=project) == (Settings(enabled=expected), [])


def test_what_a_project_takes_away_stays_away_whoever_speaks(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / PROJECT_FILE).write_text('enabled = false\nignore = ["vendor/"]\ndisabled_languages = ["go"]\n')
    monkeypatch.setenv("CODECOMPOSE_ENABLED", "true")
    settings, problems = load(root=project, editor={"enabled": True, "ignore": ["a"], "disabledLanguages": ["c"]})
    assert (settings.enabled, settings.ignore, settings.disabled_languages) == (False, ("a", "vendor/"), ("c", "go"))
    assert problems == []


def test_a_project_cannot_call_back_what_its_user_ignores(user_file: Path, project: Path) -> None:
    user_file.write_text('ignore = ["private/", "!private/open/"]\n')
    (project / PROJECT_FILE).write_text('ignore = ["vendor/", "!private/"]\n')
    settings, problems = load(root=project)
    assert settings.ignore == ("private/", "!private/open/")
    assert "cannot call back with '!private/'" in only(problems)


@given(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=5))
def test_a_project_can_only_narrow(values: dict[str, Any]) -> None:
    before = Settings(ignore=("a",), disabled_languages=("c",), enabled=True)
    after, _ = merge(before, values, source="project", narrow=True)
    assert after.enabled <= before.enabled
    assert after.ignore[:1] == before.ignore and not any(item.startswith("!") for item in after.ignore)
    assert after.disabled_languages[:1] == before.disabled_languages
    assert all(getattr(after, name) == getattr(before, name) for name in NAMES if name not in NARROWING)
