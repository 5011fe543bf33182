"""Which files may reach a prompt, the index or a log."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codecompose_ls.index.files import MAX_BYTES, Admission, walk

KEY = "AKIA" + "IOSFODNN7ABCDEFG"


def write(path: Path, content: str | bytes = "x = 1\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_an_ordinary_source_file_is_admitted(tmp_path: Path) -> None:
    assert Admission(tmp_path).refusal(write(tmp_path / "src" / "app.py")) is None


def test_every_ignore_file_counts_and_is_named(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", "a.py\n")
    write(tmp_path / ".ignore", "b.py\n")
    write(tmp_path / ".codecomposeignore", "c.py\n")
    write(tmp_path / ".git" / "info" / "exclude", "d.py\n")
    write(tmp_path / "docs" / ".gitignore", "e.py\n")
    admission = Admission(tmp_path)
    assert {name: admission.refusal(write(tmp_path / "docs" / f"{name}.py")) for name in "abcdef"} == {
        "a": "ignored by .gitignore",
        "b": "ignored by .ignore",
        "c": "ignored by .codecomposeignore",
        "d": "ignored by .git/info/exclude",
        "e": "ignored by docs/.gitignore",
        "f": None,
    }


def test_a_deeper_ignore_file_has_the_last_word_but_not_inside_an_ignored_folder(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", "*.log.py\nbuild/\n")
    write(tmp_path / "keep" / ".gitignore", "!wanted.log.py\n")
    write(tmp_path / "build" / ".gitignore", "!*\n")
    admission = Admission(tmp_path)
    assert admission.refusal(write(tmp_path / "keep" / "wanted.log.py")) is None
    assert admission.refusal(write(tmp_path / "keep" / "other.log.py")) == "ignored by .gitignore"
    assert admission.refusal(write(tmp_path / "build" / "out.py")) == "ignored by .gitignore"


def test_settings_ignore_relative_to_the_workspace_and_no_file_overrules_them(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", "!private/\n")
    admission = Admission(tmp_path, ("/private/", "*.gen.py"))
    assert admission.refusal(write(tmp_path / "private" / "a.py")) == "ignored by settings"
    assert admission.refusal(write(tmp_path / "src" / "a.gen.py")) == "ignored by settings"
    assert admission.refusal(write(tmp_path / "src" / "private" / "a.py")) is None


def test_a_changed_ignore_file_is_noticed_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.py")
    admission = Admission(tmp_path)
    assert admission.refusal(path) is None
    rules = write(tmp_path / ".gitignore", "a.py\n")
    assert admission.refusal(path) == "ignored by .gitignore"
    rules.unlink()
    assert admission.refusal(path) is None


def test_a_workspace_inside_a_repository_obeys_the_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write(tmp_path / ".gitignore", "packages/*/gen.py\n")
    root = tmp_path / "packages" / "one"
    assert Admission(root).refusal(write(root / "gen.py")) == "ignored by .gitignore"


def test_an_ignored_folder_opened_as_a_workspace_is_meant(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write(tmp_path / ".gitignore", "vendor/\n")
    root = tmp_path / "vendor" / "lib"
    write(root / ".gitignore", "gen.py\n")
    assert Admission(root).refusal(write(root / "a.py")) is None
    assert Admission(root).refusal(write(root / "gen.py")) == "ignored by .gitignore"


def test_a_linked_worktree_reads_the_exclude_file_of_its_repository(tmp_path: Path) -> None:
    write(tmp_path / "main" / ".git" / "info" / "exclude", "gen.py\n")
    write(tmp_path / "main" / ".git" / "worktrees" / "w" / "commondir", "../..\n")
    write(tmp_path / "w" / ".git", f"gitdir: {tmp_path}/main/.git/worktrees/w\n")
    assert Admission(tmp_path / "w").refusal(write(tmp_path / "w" / "gen.py")) is not None


def test_a_file_outside_the_workspace_is_no_less_welcome(tmp_path: Path) -> None:
    (tmp_path / "other" / ".git").mkdir(parents=True)
    write(tmp_path / "other" / ".gitignore", "gen.py\n")
    admission = Admission(tmp_path / "workspace")
    assert admission.refusal(write(tmp_path / "other" / "a.py")) is None
    assert admission.refusal(write(tmp_path / "other" / "gen.py")) == "ignored by .gitignore"
    assert Admission(None).refusal(tmp_path / "other" / "a.py") is None


def test_links_are_judged_by_their_name_and_by_what_they_point_to(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", "hidden/\nalias.py\n")
    write(tmp_path / "hidden" / "a.py")
    write(tmp_path / "open.py")
    write(tmp_path / ".env")
    for link, target in (("via.py", "hidden/a.py"), ("alias.py", "open.py"), ("env.py", ".env")):
        (tmp_path / link).symlink_to(tmp_path / target)
    admission = Admission(tmp_path)
    assert admission.refusal(tmp_path / "via.py") == "ignored by .gitignore"
    assert admission.refusal(tmp_path / "alias.py") == "ignored by .gitignore"
    assert admission.refusal(tmp_path / "env.py") == "looks like a secret (.env)"


def test_a_workspace_reached_through_a_link_is_the_same_workspace(tmp_path: Path) -> None:
    write(tmp_path / "real" / ".gitignore", "/gen.py\n")
    write(tmp_path / "real" / "gen.py")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for root in ("real", "link"):
        for seen in ("real", "link"):
            assert Admission(tmp_path / root).refusal(tmp_path / seen / "gen.py") == "ignored by .gitignore"


@pytest.mark.parametrize("name", [".env", "deploy.pem", "id_rsa", ".aws/config"])
def test_secret_files_are_refused_by_name_saved_or_not(tmp_path: Path, name: str) -> None:
    expected = f"looks like a secret ({Path(name).name})"
    assert Admission(tmp_path).refusal(tmp_path / name, "harmless") == expected
    assert Admission(tmp_path).refusal(Path(name), "harmless") == expected


def test_a_workspace_below_a_folder_with_a_secret_name_is_open(tmp_path: Path) -> None:
    root = tmp_path / ".docker" / "project"
    assert Admission(root).refusal(write(root / "app.py")) is None


def test_unsaved_documents_are_admitted_by_their_text(tmp_path: Path) -> None:
    admission = Admission(tmp_path)
    assert admission.refusal(Path("Untitled-1"), "print(1)\n") is None
    assert admission.refusal(tmp_path / "not-yet.py", "print(1)\n") is None
    assert admission.refusal(Path("Untitled-1"), f"key = {KEY!r}\n") == "holds a secret"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x00\x01ELF", "binary"),
        (b"#" * (MAX_BYTES + 1), "larger than 1 MB"),
        ("é".encode() * (MAX_BYTES // 2 + 1), "larger than 1 MB"),
        (b"#" * MAX_BYTES, None),
        ("é".encode() * (MAX_BYTES // 2), None),
        (f"key = {KEY!r}\n".encode(), "holds a secret"),
        (b"", None),
    ],
)
def test_content_is_judged_alike_on_disk_and_in_the_editor(tmp_path: Path, content: bytes, reason: str | None) -> None:
    path = write(tmp_path / "a.py", content)
    assert Admission(tmp_path).refusal(path) == reason
    assert Admission(tmp_path).refusal(path, content.decode()) == reason


def test_the_editor_s_text_wins_over_the_disk_s(tmp_path: Path) -> None:
    path = write(tmp_path / "a.py", f"key = {KEY!r}\n")
    assert Admission(tmp_path).refusal(path, "key = ''\n") is None


def test_a_rewritten_file_is_read_again(tmp_path: Path) -> None:
    admission, path = Admission(tmp_path), write(tmp_path / "a.py")
    assert admission.refusal(path) is None
    write(path, f"key = {KEY!r}\n")
    assert admission.refusal(path) == "holds a secret"


def test_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    assert Admission(tmp_path).refusal(tmp_path / "pipe.py") == "not a file"
    assert str(Admission(tmp_path).refusal(tmp_path / "missing.py")).startswith("cannot be read")
    (tmp_path / "loop.py").symlink_to(tmp_path / "loop.py")
    assert str(Admission(tmp_path).refusal(tmp_path / "loop.py")).startswith("cannot be read")


@given(
    before=st.text(alphabet="ab\n", max_size=3000),
    after=st.text(alphabet="ab\n", max_size=3000),
    at=st.integers(0, 3000),
    repeat=st.integers(1, 3),
)
def test_a_secret_is_found_wherever_it_is_typed(before: str, after: str, at: int, repeat: int) -> None:
    text = before * repeat + after
    at = min(at, len(text))
    admission, path = Admission(None), Path("Untitled-1")
    typed = ["", f" {KEY[:9]}", f" {KEY[:-1]}", f" {KEY} "]
    reasons = [admission.refusal(path, text[:at] + part + text[at:]) for part in (*typed, "")]
    assert reasons == [None, None, None, "holds a secret", None]


def test_a_walk_meets_admitted_source_files_only_sorted_and_inside_the_root(tmp_path: Path) -> None:
    root = tmp_path / "project"
    write(root / ".gitignore", "gen/\n")
    for name in ("b.py", "a/c.ts", "a/b.go", "gen/x.py", "notes.txt", "node_modules/m/i.js", ".git/hook.py", ".env.py"):
        write(root / name)
    for name in (".venv/lib/v.py", "env/pyvenv.cfg", "env/lib/v.py"):
        write(root / name)
    write(root / "secret.py", f"key = {KEY!r}\n")
    write(tmp_path / "outside" / "o.py")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "self").symlink_to(root)
    (root / "o.py").symlink_to(tmp_path / "outside" / "o.py")
    found = [path.relative_to(root).as_posix() for path in walk(root, Admission(root))]
    assert found == ["a/b.go", "a/c.ts", "b.py"]


def test_a_walk_of_a_missing_folder_is_empty(tmp_path: Path) -> None:
    assert list(walk(tmp_path / "missing", Admission(tmp_path))) == []


NAMES = ["a", "b", "c.py", "d.py"]
PATHS = sorted({"/".join(parts) for a in NAMES for b in NAMES for parts in ((a,), (a, b), (a, b, "c.py"))})
FILES = [
    path for path in PATHS if path.endswith(".py") and not any(part.endswith(".py") for part in path.split("/")[:-1])
]
WORDS = st.sampled_from(["a", "b", "c.py", "*", "*.py", "**", "?", "[ab]", "d*", "x"])
PATTERNS = st.builds(
    lambda negation, lead, words, trail: negation + lead + "/".join(words) + trail,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "/"]),
    st.lists(WORDS, min_size=1, max_size=3),
    st.sampled_from(["", "/"]),
)
RULES = st.dictionaries(
    st.sampled_from([".gitignore", "a/.gitignore", "a/b/.gitignore", ".git/info/exclude"]),
    st.lists(PATTERNS, max_size=4),
    max_size=3,
)


@settings(max_examples=40, deadline=None)
@given(RULES)
def test_git_agrees_on_what_is_ignored(rules: dict[str, list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        subprocess.run(["git", "init", "-q", "--template=", str(root)], check=True)
        for name in FILES:
            write(root / name)
        for name, patterns in rules.items():
            write(root / name, "\n".join(patterns) + "\n")
        command = ["git", "-c", "core.excludesFile=/dev/null", "-C", str(root), "check-ignore", "--no-index", *FILES]
        ignored = subprocess.run(command, capture_output=True, text=True).stdout.split()
        admission = Admission(root)
        assert [name for name in FILES if admission.refusal(root / name)] == ignored
