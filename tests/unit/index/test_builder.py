"""What a build takes from a folder, what it reads again, and what is left when it is interrupted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from codecompose_ls.index import builder
from codecompose_ls.index.builder import build
from codecompose_ls.index.progress import Progress
from codecompose_ls.index.store import Index, Store

KEY = "AKIA" + "Q3EGRZ7XKJLW5TPN"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODECOMPOSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A git repository with two files to be indexed and one of each kind that is not."""
    root = tmp_path / "project"
    root.mkdir()
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    write(root, "app.py", "def greet(name):\n    return name\n")
    write(root, "pkg/tool.ts", "export const size = 1;\n")
    write(root, ".gitignore", "build/\n*.gen.py\n")
    write(root, "build/out.py", "ignored_folder = 1\n")
    write(root, "tables.gen.py", "ignored_name = 1\n")
    write(root, "keys.py", f"secret_file = '{KEY}'\n")
    write(root, ".env", "SECRET_NAME=1\n")
    write(root, "node_modules/lib/index.js", "skipped_folder = 1\n")
    write(root, "huge.py", "huge_file = 1\n" * 100_000)
    write(root, "image.py", "binary_file\0")
    write(root, "data.ts", "table_file 1 2 3 4 5 6\n" + "0.5,1.25,3\n" * 500)
    write(root, "app.min.js", "var bundled_file=1;" * 2_000)
    write(root, "notes.md", "no_source_file\n")
    (root / "link.py").symlink_to(root / "app.py")
    return root


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(text.encode())


def texts(index: Index) -> dict[str, str]:
    decode = index.vocabulary.decode
    return {path: decode(ids.tolist()).strip("\n") for path, ids in index.segment.pieces()}


def phases(told: list[Progress]) -> list[str]:
    return [progress.phase for progress in told]


APP = "def greet(name):\nreturn name"
TOOL = "export const size = 1;"


def test_a_build_takes_the_project_s_own_code_and_nothing_that_must_be_left_alone(root: Path) -> None:
    index = build(root)
    assert texts(index) == {"app.py": APP, "pkg/tool.ts": TOOL}
    assert index.folder is not None
    kept = b"".join(file.read_bytes() for file in index.folder.iterdir())
    left_out = (
        "ignored",
        "secret",
        "SECRET",
        KEY,
        "skipped",
        "huge_file",
        "binary",
        "table_file",
        "bundled",
        "no_source",
    )
    assert [word for word in left_out if word.encode() in kept] == []


def test_the_settings_patterns_count(root: Path) -> None:
    assert texts(build(root, ("*.ts",))) == {"app.py": APP}


def test_a_second_build_finds_nothing_to_do(root: Path) -> None:
    first = build(root)
    told: list[Progress] = []
    second = build(root, report=told.append)
    assert second.folder == first.folder
    assert phases(told) == ["done"]


def test_only_what_has_changed_is_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(root)
    write(root, "app.py", "changed = 1\n")
    write(root, "new.py", "added = 1\n")
    read: list[str] = []
    text = builder.Reader.text

    def watched(self: builder.Reader, path: str) -> str | None:
        read.append(path)
        return text(self, path)

    monkeypatch.setattr(builder.Reader, "text", watched)
    assert texts(build(root)) == {"app.py": "changed = 1", "new.py": "added = 1", "pkg/tool.ts": TOOL}
    # Those that were refused for what they hold have to be looked at: they could be of another mind by now.
    assert {path for path in read if path in ("app.py", "new.py", "pkg/tool.ts")} == {"app.py", "new.py"}


def test_what_is_gone_from_the_disk_is_gone_from_the_index_to_the_last_word(root: Path) -> None:
    build(root)
    (root / "pkg" / "tool.ts").unlink()
    index = build(root)
    assert texts(index) == {"app.py": APP}
    assert "export" not in index.vocabulary.texts


def test_new_ignore_rules_count_for_files_that_have_not_changed(root: Path) -> None:
    build(root)
    write(root, "pkg/.gitignore", "*\n")
    assert texts(build(root)) == {"app.py": APP}


def test_where_there_is_no_room_for_all_those_changed_last_come_first_then_those_near_the_root(root: Path) -> None:
    for path, text in {"a.py": "near", "deep/er/b.py": "deep", "deep/c.py": "fresh"}.items():
        write(root, path, f"{text} = 1\n")
    month = 30 * 86_400
    now = (root / "deep" / "c.py").stat().st_mtime
    for path in root.rglob("*.*"):
        if path.name != "c.py" and path.is_file():
            os.utime(path, (now - month, now - month))
    index = build(root, ("app.py", "pkg/", "huge.py", "keys.py", "image.py", "data.ts", "*.js"), most_bytes=20)
    assert texts(index) == {"a.py": "near = 1", "deep/c.py": "fresh = 1"}
    assert index.left_out == 1


def test_an_empty_folder_has_an_empty_index(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    index = build(tmp_path / "empty")
    assert texts(index) == {}
    assert texts(build(tmp_path / "empty")) == {}


def test_a_damaged_index_is_built_anew(root: Path) -> None:
    folder = build(root).folder
    assert folder is not None
    (folder / "order.npy").write_bytes(b"rubbish")
    assert texts(build(root)) == {"app.py": APP, "pkg/tool.ts": TOOL}


def start(root: Path, *options: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "codecompose_ls.index.builder", str(root), *options]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_child_process_tells_how_it_goes(root: Path) -> None:
    for number in range(6):
        write(root, f"large{number}.py", f"value{number} = some_function(argument)\n" * 12_000)
    with start(root, "--ignore=*.ts") as process:
        assert process.stdout is not None
        told = [Progress(**json.loads(line)) for line in process.stdout]
    assert process.returncode == 0
    assert phases(told) == ["reading"] * 2 + ["sorting", "saving", "done"]
    assert all(0 < one.done <= one.all for one in told)
    found = Store(root, ("*.ts",)).load()
    assert found is not None
    assert len(found.stamps) == 7


def test_the_child_process_ends_with_the_one_that_started_it_and_leaves_what_was_there(root: Path) -> None:
    kept = build(root)
    for number in range(6):
        write(root, f"large{number}.py", f"value{number} = some_function(argument)\n" * 12_000)
    with start(root) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert json.loads(process.stdout.readline())["phase"] == "reading"
        process.stdin.close()
        process.wait()
    found = Store(root).load()
    assert found is not None
    # It may have been quicker than its end; then the index is the new one, and whole.
    assert (process.returncode, len(found.stamps)) in ((1, 2), (0, 8), (1, 8))
    assert kept.folder == found.folder or len(found.stamps) == 8


def test_a_killed_child_process_leaves_what_was_there_and_the_next_one_completes(root: Path) -> None:
    kept = build(root)
    for number in range(6):
        write(root, f"large{number}.py", f"value{number} = some_function(argument)\n" * 12_000)
    with start(root) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        process.wait()
    found = Store(root).load()
    assert found is not None
    assert len(found.stamps) in (2, 8)
    assert found.folder == kept.folder or len(found.stamps) == 8
    assert len(build(root).stamps) == 8


def test_a_failure_is_one_line(root: Path, cache: Path) -> None:
    cache.write_text("not a folder")
    with start(root) as process:
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert process.returncode == 1
    assert len(said.splitlines()) == 1
    assert "Traceback" not in said


def test_the_child_process_does_without_heavy_libraries(root: Path) -> None:
    program = (
        "import sys, codecompose_ls.index.builder;"
        "print([name for name in ('torch', 'onnxruntime', 'onnx', 'pygls', 'tokenizers') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert said.stdout.strip() == "[]"
