"""The tests of a file are where the custom of its language has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from codecompose_ls.assistants.counterpart import find_counterpart
from codecompose_ls.errors import InputError
from codecompose_ls.index.files import Admission
from codecompose_ls.languages import language_of


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x = 1\n")


def found(root: Path, source: str) -> tuple[str, bool]:
    language = language_of(source)
    assert language is not None
    place = find_counterpart(root / source, root, language, Admission(root))
    return place.path.relative_to(root).as_posix(), place.exists


@pytest.mark.parametrize(
    ("there", "source", "expected"),
    [
        (["src/a.py"], "src/a.py", "src/test_a.py"),
        (["src/a.py", "tests/test_b.py"], "src/a.py", "tests/test_a.py"),
        (["src/a.ts"], "src/a.ts", "src/a.test.ts"),
        (["src/a.tsx", "src/__tests__/b.test.tsx"], "src/a.tsx", "src/__tests__/a.test.tsx"),
        (["pkg/a.go", "tests/x"], "pkg/a.go", "pkg/a_test.go"),
        (["src/main/java/org/A.java"], "src/main/java/org/A.java", "src/test/java/org/ATest.java"),
        (["lib/a.rb", "spec/b_spec.rb"], "lib/a.rb", "spec/a_spec.rb"),
        (["src/a.c", "tests/b.c"], "src/a.c", "tests/test_a.c"),
    ],
)
def test_a_new_file_goes_where_tests_are(tmp_path: Path, there: list[str], source: str, expected: str) -> None:
    write(tmp_path, *there)
    assert found(tmp_path, source) == (expected, False)


def test_the_file_that_mirrors_the_source_is_the_one(tmp_path: Path) -> None:
    write(tmp_path, "app/shop/a.py", "tests/unit/a/test_a.py", "tests/unit/shop/test_a.py", "tests/.venv/test_a.py")
    write(tmp_path, "tests/.venv/pyvenv.cfg")
    assert found(tmp_path, "app/shop/a.py") == ("tests/unit/shop/test_a.py", True)
    write(tmp_path, "app/shop/a_test.py")
    assert found(tmp_path, "app/shop/a.py") == ("app/shop/a_test.py", True)


def test_tests_have_no_tests(tmp_path: Path) -> None:
    write(tmp_path, "tests/test_a.py")
    with pytest.raises(InputError, match=r"test_a\.py holds tests itself"):
        found(tmp_path, "tests/test_a.py")


@pytest.mark.parametrize("linked", ["tests", "tests/test_a.py", "test_a.py"])
def test_a_link_out_of_the_workspace_is_not_followed(tmp_path: Path, linked: str) -> None:
    root = tmp_path / "project"
    write(root, "a.py", "inner/test_b.py")
    write(tmp_path, "elsewhere/test_a.py")
    (root / linked).parent.mkdir(exist_ok=True)
    (root / linked).symlink_to(tmp_path / "elsewhere" / ("test_a.py" if linked.endswith(".py") else ""))
    with pytest.raises(InputError, match="a link leads out of the workspace"):
        found(root, "a.py")
    (root / linked).unlink()
    (root / "test_a.py").symlink_to(root / "inner" / "test_b.py")
    assert found(root, "a.py") == ("test_a.py", True)


def test_tests_that_may_not_be_read_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "tests/test_a.py")
    (tmp_path / ".gitignore").write_text("tests/\n")
    with pytest.raises(InputError, match=r"left alone: ignored by \.gitignore"):
        found(tmp_path, "a.py")
