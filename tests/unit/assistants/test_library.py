"""Assistants come from the package, from the user, and from a project that its user trusts."""

from __future__ import annotations

from pathlib import Path

import pytest

from codecompose_ls.assistants.assistant import parse
from codecompose_ls.assistants.library import is_trusted, library, project_folder, trust, user_folder
from codecompose_ls.errors import InputError

MINE = '+++\ntitle = "Mine"\nkind = "show"\n+++\nSay something about this.\n\n{{code}}\n'


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODECOMPOSE_CONFIG", str(tmp_path / "config" / "settings.toml"))
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path / "data"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def write(folder: Path, name: str, text: str | bytes = MINE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_three_of_ours_can_be_done_by_analysis() -> None:
    found = library(None)
    assert not found.problems and not found.untrusted
    assert [one.name for one in found.assistants if one.analysis] == ["add-docstrings", "add-input-checks", "explain"]
    assert {one.origin for one in found.assistants} == {"built-in"}


def test_the_users_own_are_added_and_replace_ours() -> None:
    write(user_folder(), "mine.md")
    write(user_folder(), "explain.md")
    found = library(None)
    assert not found.problems
    assert [(one.name, one.origin) for one in found.assistants if one.title == "Mine"] == [
        ("explain", "user"),
        ("mine", "user"),
    ]
    # What it asks is the user's, so analysis cannot stand in for it.
    assert not found.find("explain").analysis


def test_a_projects_own_wait_for_trust_and_lose_it_when_they_change(root: Path) -> None:
    path = write(project_folder(root), "theirs.md")
    found = library(root)
    assert found.untrusted == ("theirs",) and not is_trusted(root)
    with pytest.raises(InputError, match=r"not trusted yet: read .* then run: codecompose-ls assist trust"):
        found.find("theirs")
    assert trust(root) == ("theirs",)
    assert is_trusted(root) and library(root).find("theirs").origin == "project"
    path.write_text(MINE + "And one thing more.\n")
    assert not is_trusted(root) and library(root).untrusted == ("theirs",)
    path.write_text(MINE)
    assert is_trusted(root)
    write(project_folder(root), "another.md")
    assert library(root).untrusted == ("another", "theirs")


def test_trust_is_of_one_folder(root: Path, tmp_path: Path) -> None:
    write(project_folder(root), "theirs.md")
    write(project_folder(tmp_path / "other"), "theirs.md")
    trust(root)
    assert not is_trusted(tmp_path / "other")
    (tmp_path / "link").symlink_to(root)
    assert is_trusted(tmp_path / "link")


def test_a_damaged_record_trusts_nobody(root: Path, tmp_path: Path) -> None:
    write(project_folder(root), "theirs.md")
    trust(root)
    (tmp_path / "data" / "trusted-assistants.json").write_text("[")
    assert not is_trusted(root)
    trust(root)
    assert is_trusted(root)


def test_a_projects_assistant_never_takes_the_name_of_another(root: Path) -> None:
    write(user_folder(), "mine.md")
    for name in ("explain.md", "mine.md", "theirs.md"):
        write(project_folder(root), name, MINE.replace("Mine", "Theirs"))
    trust(root)
    found = library(root)
    assert [one.name for one in found.assistants if one.title == "Theirs"] == ["theirs"]
    assert [problem.partition(" is not used: ")[2] for problem in found.problems] == [
        "'explain' is the name of a built-in one",
        "'mine' is your own",
    ]


def test_there_is_nothing_to_trust_in_a_project_without_assistants(root: Path) -> None:
    with pytest.raises(InputError, match="no assistants to trust"):
        trust(root)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("Not Good.md", MINE, "lower-case words"),
        ("a.md", "Say something.", "must begin with front matter"),
        ("a.md", "+++\ntitle = \n+++\n{{code}}", "not TOML"),
        ("a.md", "+++\n+++\n{{code}}", "needs a title"),
        ("a.md", '+++\ntitle = "A\\nB"\n+++\n{{code}}', "needs a title"),
        ("a.md", '+++\ntitle = "A"\nmood = 1\n+++\n{{code}}', "'mood', which is none of"),
        ("a.md", '+++\ntitle = "A"\nkind = "run"\n+++\n{{code}}', "kind must be one of show, edit, not 'run'"),
        ("a.md", '+++\ntitle = "A"\nwants = "file"\n+++\n{{code}}', "wants must be a list"),
        ("a.md", '+++\ntitle = "A"\nwants = ["web"]\n+++\n{{code}}', "not 'web'"),
        ("a.md", '+++\ntitle = "A"\nlanguages = ["klingon"]\n+++\n{{code}}', "not 'klingon'"),
        ("a.md", '+++\ntitle = "A"\ncomments_only = 1\n+++\n{{code}}', "true or false"),
        ("a.md", '+++\ntitle = "A"\n+++\n{{code}} {{weather}}', "{{weather}}, which is none of"),
        ("a.md", '+++\ntitle = "A"\n+++\n{{code}} {{file}}', "do not name 'file'"),
        ("a.md", '+++\ntitle = "A"\nwants = ["file"]\n+++\n{{code}}', "has no {{file}}"),
        ("a.md", '+++\ntitle = "A"\nneeds = ["file"]\n+++\n{{code}}', "needs 'file'"),
        ("a.md", '+++\ntitle = "A"\n+++\nHello.', "has no {{code}}"),
        ("a.md", '+++\ntitle = "A"\nwants = ["diff", "file"]\n+++\n{{diff}} {{file}}', "has no {{code}}"),
        ("a.md", '+++\ntitle = "A"\ntarget = "tests"\n+++\n{{code}}', "takes kind = 'edit'"),
        ("a.md", b"\xff\xfe", "not UTF-8"),
        ("a.md", MINE + " " * 70_000, "larger than 64 KiB"),
    ],
)
def test_a_bad_file_is_one_line_and_no_failure(name: str, text: str | bytes, message: str) -> None:
    path = write(user_folder(), name, text)
    found = library(None)
    assert len(found.assistants) == 10
    (problem,) = found.problems
    assert problem.startswith(f"{path} is not used: ") and message in problem and "\n" not in problem


def test_a_link_is_not_followed(root: Path, tmp_path: Path) -> None:
    target = write(tmp_path, "elsewhere.md")
    project_folder(root).mkdir(parents=True)
    (project_folder(root) / "theirs.md").symlink_to(target)
    assert "is not a file" in library(root).problems[0] and not library(root).untrusted


def test_lines_may_end_as_on_windows_and_begin_with_a_mark() -> None:
    assistant = parse("a", "\ufeff" + MINE.replace("\n", "\r\n"), origin="user")
    assert assistant.title == "Mine" and assistant.template == "Say something about this.\n\n{{code}}"


def test_an_unknown_name_is_said_with_those_there_are() -> None:
    with pytest.raises(InputError, match="no assistant 'explian'; there are add-docstrings, "):
        library(None).find("explian")


def test_the_example_of_the_how_to_can_be_used() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "assistants.md").read_text(encoding="utf-8")
    write(user_folder(), "name-things.md", page.partition("```markdown\n")[2].partition("```\n")[0])
    found = library(None)
    assert not found.problems and found.find("name-things").scope == "function"
