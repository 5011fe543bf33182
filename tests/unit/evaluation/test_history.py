"""History replay asks for what later commits wrote in the project as it was before; real git repositories."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls import folders
from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.floor import Floor
from codecompose_ls.evaluation.hidden_lines import Case, Source, draw
from codecompose_ls.evaluation.history import Replay, find_commit, replay, replays, without_twins
from codecompose_ls.evaluation.projects import Project
from codecompose_ls.index.repository import Repository
from tests import repositories


class Git(repositories.Git):
    """A repository whose files are keyword arguments."""

    def commit(self, **files: str | None) -> str:
        """Commit files (`__` in a name is a dot, None deletes) and return the commit's id."""
        for name in [name for name, text in files.items() if text is None]:
            (self.root / name.replace("__", ".")).unlink()
        return super().commit({name.replace("__", "."): text for name, text in files.items() if text is not None})


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(tmp_path / "shop")


def replayed(git: Git, since: str) -> Replay:
    return replay(Repository(git.root), since, name="shop")


def asked(git: Git, since: str) -> dict[str, list[str]]:
    """Return the lines asked for, by path."""
    source = replayed(git, since).source
    assert source.lines is not None
    return {
        path: [source.asked.read(path).split("\n")[number] for number in sorted(numbers)]
        for path, numbers in source.lines.items()
    }


def test_only_new_lines_without_a_twin_are_asked_for(git: Git) -> None:
    before = git.commit(
        cart__py="def total(items):\n    return sum(items)\n", tax__py="RATE = 0.19\nclass Tax:\n    pass\n"
    )
    git.commit(
        cart__py="import tax\n\ndef total(items):\n        return sum(items)\n\ndef net(items):\n    RATE = 0.19\n"
        "    )\n    return total(items) / (1 + tax.RATE)\n"
    )
    found = replayed(git, before)
    # Not the deeper indentation, not the twin of a line in tax.py, not the lone parenthesis.
    assert asked(git, before) == {
        "cart.py": ["import tax", "def net(items):", "    return total(items) / (1 + tax.RATE)"]
    }
    assert (found.added, found.asked) == (8, 3)
    assert (found.since, found.since_date, found.head_date) == (before, "2025-01-01", "2025-01-02")


def test_moved_code_and_deleted_code_are_nothing_new(git: Git) -> None:
    before = git.commit(a__py="def one():\n    return 'one'\n", b__py="def two():\n    return 'two'\n")
    git.commit(a__py=None, b__py="def two():\n    return 'two'\n\n\ndef one():\n    return 'one'\n\n\nTHREE = 3\n")
    assert asked(git, before) == {"b.py": ["THREE = 3"]}


def test_what_was_added_and_removed_again_is_not_there_to_be_asked_for(git: Git) -> None:
    before = git.commit(a__py="first = 1\n")
    git.commit(a__py="first = 1\nsecond = 2\n")
    git.commit(a__py="first = 1\nthird = 3\n")
    assert asked(git, before) == {"a.py": ["third = 3"]}


def test_names_with_spaces_umlauts_and_line_ends_of_all_kinds(git: Git) -> None:
    before = git.commit(**{"a b__py": "first = 1\r\n", "größe__py": "first = 1"})
    git.commit(**{"a b__py": "first = 1\r\n++ plus\r\n--- minus\r\n", "größe__py": "first = 1\nlast = 2"})
    assert asked(git, before) == {"a b.py": ["++ plus\r", "--- minus\r"], "größe.py": ["last = 2"]}


def test_the_workspace_is_the_project_as_it_was(git: Git) -> None:
    before = git.commit(a__py="first = 1\n", old__py="gone = 1\n", notes__txt="no source\n")
    git.commit(a__py="first = 1\nsecond = 2\n", old__py=None, new__py="third = 3\n")
    source = replayed(git, before).source
    assert source.workspace.files == ("a.py", "old.py")
    assert source.workspace.read("a.py") == "first = 1\n"
    assert source.asked.files == ("a.py", "new.py")
    assert source.workspace.name == source.asked.name == "shop"


def test_the_rules_of_the_time_say_what_may_be_read(git: Git) -> None:
    before = git.commit(
        __gitignore="ignored.py\n",
        __codecompose__toml='ignore = ["generated/"]\n',
        **{"src/a__py": "first = 1\n", "generated/g__py": "machine = 1\n", "__env": "KEY=1\n"},
    )
    git("add", "--force", ".")
    (git.root / "ignored.py").write_text("secret = 1\n")
    git("add", "--force", "ignored.py")
    git.commit(**{"src/a__py": "first = 1\nsecond = 2\n", "generated/g__py": "machine = 1\nmore = 2\n"})
    assert asked(git, before) == {"src/a.py": ["second = 2"]}
    assert replayed(git, before).source.workspace.files == ("src/a.py",)


def test_links_and_submodules_are_not_followed(git: Git, tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text("outside = 1\n")
    git.commit(a__py="first = 1\n")
    (git.root / "link.py").symlink_to(tmp_path / "outside.py")
    before = git.commit()
    git.commit(a__py="first = 1\nsecond = 2\n")
    assert replayed(git, before).source.workspace.files == ("a.py",)


def test_files_too_large_or_missing_in_a_partial_clone_are_left_out(git: Git, tmp_path: Path) -> None:
    before = git.commit(a__py="first = 1\n", lost__py="lost = 1\n", huge__py="x = 1\n" * 200_000)
    git.commit(a__py="first = 1\nsecond = 2\n", lost__py="lost = 1\nmore = 2\n", huge__py="y = 1\n" * 200_000)
    blob = git("rev-parse", "HEAD:lost.py")
    (git.root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    assert asked(git, before) == {"a.py": ["second = 2"]}


def test_what_a_program_wrote_is_not_asked_for(git: Git) -> None:
    before = git.commit(a__py="first = 1\n")
    git.commit(
        a__py="first = 1\nsecond = 2\n",
        b__py="# Generated by the protocol buffer compiler.  DO NOT EDIT!\nthird = 3\n",
        c__js="var fourth=4;" * 50,
    )
    assert asked(git, before) == {"a.py": ["second = 2"]}
    now = replayed(git, before).source.asked
    assert {case.path for case in draw([Source(now, now)], cases=9)} == {"a.py"}


def test_a_bare_repository_and_a_git_folder_will_do(git: Git, tmp_path: Path) -> None:
    before = git.commit(a__py="first = 1\n")
    git.commit(a__py="first = 1\nsecond = 2\n")
    subprocess.run(["git", "clone", "--quiet", "--bare", git.root, tmp_path / "bare.git"], check=True)
    for folder, name in ((tmp_path / "bare.git", "bare.git"), (git.root / ".git", "shop"), (git.root, "shop")):
        (found,) = replays([folder], before)
        assert (found.asked, found.source.workspace.name) == (1, name)


def test_a_language_narrows_what_is_asked_for_alone(git: Git) -> None:
    before = git.commit(a__py="first = 1\n", b__go="package shop\n")
    git.commit(a__py="first = 1\nsecond = 2\n", b__go="package shop\nvar third = 3\n")
    found = replay(Repository(git.root), before, name="shop", language="go")
    assert found.source.files == ("b.go",) and found.asked == 1
    assert found.source.workspace.files == ("a.py", "b.go")


def test_uncommitted_changes_do_not_count(git: Git) -> None:
    before = git.commit(a__py="first = 1\n")
    git.commit(a__py="first = 1\nsecond = 2\n")
    (git.root / "a.py").write_text("third = 3\n")
    assert asked(git, before) == {"a.py": ["second = 2"]}


def cases_of(git: Git, since: str) -> list[Case]:
    return draw([replayed(git, since).source], cases=50, per_file=50)


async def test_a_case_is_todays_file_in_the_workspace_of_the_time(git: Git) -> None:
    before = git.commit(a__py="def first():\n    return compute(1, scale=2)\n", b__py="x = call(alpha, beta)\n")
    now = "def first():\n    return compute(1, scale=2)\n\n\ndef second():\n    return compute(2, scale=3)\n"
    git.commit(a__py=now, b__py="x = call(alpha, beta)\ny = call(alpha, gamma)\n")
    cases = cases_of(git, before)
    assert {case.path for case in cases} == {"a.py", "b.py"}
    floor = Floor()
    for case in cases:
        assert case.text[: case.offset] + case.hidden + case.text[case.offset :] == (git.root / case.path).read_text()
        assert case.project.files == ("a.py", "b.py")
        floor.prepare(case)
        text = (await floor.predict(case)).text
        # The floor copies from the document and from the other file as it was: gamma is written nowhere else.
        assert text is None or "gamma" not in text


LINES = st.lists(st.sampled_from(["alpha = 1", "  beta(2)", ")", "", "gamma: 3  ", "\tdelta", "x=1"]), max_size=8)


@given(LINES, LINES, st.sets(st.integers(0, 9)))
def test_no_twin_and_no_short_line_is_ever_asked_for(
    tmp_path_factory: pytest.TempPathFactory, known: list[str], now: list[str], added: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("twins")
    (folder / "a.py").write_text("\n".join(now))
    project = Project("p", folder, ("a.py",))
    kept = without_twins(project, {"a.py": frozenset(added)}, known=frozenset(line.strip() for line in known))
    expected = {
        number
        for number in added
        if number < len(now)
        and len("".join(now[number].split())) >= 4
        and now[number].strip() not in {line.strip() for line in known}
    }
    assert kept.get("a.py", frozenset()) == expected


@pytest.mark.parametrize(
    ("since", "day"),
    [
        ("2025-01-03", 2),
        ("2025-01-02T12:00:01+00:00", 2),
        ("2025-01-02T12:00:00Z", 1),
        ("2025-01-02 13:30:00+01:00", 2),
        ("2d", 2),
        ("1 day", 3),
        ("HEAD~1", 4),
        ("v1", 1),
    ],
)
def test_what_since_may_say(git: Git, since: str, day: int) -> None:
    commits = [git.commit(a__py=f"day = {number}\n") for number in range(1, 6)]
    git("tag", "v1", commits[0])
    # Two days before noon of the fifth is noon of the third: the last commit before then is the second.
    assert find_commit(Repository(git.root), since, head=commits[-1]) == commits[day - 1]


def test_a_date_stays_on_the_first_parent_line(git: Git) -> None:
    first = git.commit(a__py="first = 1\n")
    git("checkout", "--quiet", "-b", "topic")
    git.commit(b__py="topic = 1\n")
    git("checkout", "--quiet", "main")
    git.day += 1
    git("merge", "--quiet", "--no-ff", "--no-edit", "topic")
    # The topic's commit is of the second day, but main had it on the third only.
    assert find_commit(Repository(git.root), "2025-01-03", head=git("rev-parse", "HEAD")) == first


@pytest.mark.parametrize(
    ("since", "message"),
    [
        ("2020-01-01", "no commit is older"),
        ("2025-13-01", "no such date"),
        ("90y", "no commit is older"),
        ("nowhere", "no revision 'nowhere'"),
        ("--output=x", "no revision"),
        ("HEAD", "nothing has been committed since 'HEAD'"),
        ("2099-01-01", "nothing has been committed since '2099-01-01'"),
        ("side", "not in the history"),
    ],
)
def test_a_since_that_cannot_be_used_says_so(git: Git, since: str, message: str) -> None:
    git.commit(a__py="first = 1\n")
    git("checkout", "--quiet", "--orphan", "side")
    git.commit(a__py="other = 1\n")
    git("checkout", "--quiet", "main")
    with pytest.raises(InputError, match=message) as error:
        replayed(git, since)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_no_repository_says_so(git: Git, tmp_path: Path) -> None:
    git.commit(**{"src/a__py": "first = 1\n"})
    for folder, message in (
        (tmp_path, "no git repository"),
        (git.root / "src", "only a part"),
        (tmp_path / "missing", "no such folder"),
    ):
        with pytest.raises(InputError, match=message):
            replays([folder], "1d")


def test_a_repository_without_sources_at_the_time_says_so(git: Git) -> None:
    before = git.commit(readme__md="# shop\n")
    git.commit(a__py="first = 1\n")
    with pytest.raises(InputError, match="no source file yet"):
        replayed(git, before)


def test_trees_are_written_once_and_whole(git: Git) -> None:
    before = git.commit(a__py="of_this_test_alone = 1\n")
    git.commit(a__py="of_this_test_alone = 1\nsecond = 2\n")
    one, two = replayed(git, before), replayed(git, before)
    assert one == two and one.source.workspace.root.is_relative_to(folders.cache())
    assert [path.name for path in one.source.workspace.root.parent.iterdir()] == ["shop"]


def test_a_shallow_clone_is_told_how_to_become_whole(git: Git, tmp_path: Path) -> None:
    git.commit(a__py="first = 1\n")
    git.commit(a__py="first = 1\nsecond = 2\n")
    git("clone", "--quiet", "--depth", "1", f"file://{git.root}", str(tmp_path / "shallow"))
    shallow = Repository(tmp_path / "shallow")
    for since in ("2025-01-02", "HEAD~1"):
        with pytest.raises(InputError, match="git fetch --unshallow"):
            find_commit(shallow, since, head=shallow.commit("HEAD"))
