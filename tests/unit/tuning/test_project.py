"""A project's own code is collected as git or the disk has it: what may be read, filtered, counted, split by file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.errors import InputError
from codecompose_ls.tuning.corpus import Document
from codecompose_ls.tuning.project import collect, split
from tests.repositories import Git, module


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(tmp_path / "shop")


def paths(documents: tuple[Document, ...]) -> list[str]:
    return [document.path for document in documents]


def test_a_revision_is_collected_without_a_look_at_the_work_tree(git: Git) -> None:
    first = git.commit({"cart.py": module("cart"), "README.md": "# Shop\n"})
    git.commit({"cart.py": module("cart", size=7), "tax.py": module("tax")})
    git.write({"draft.py": module("draft"), "cart.py": "broken"})

    then, now = collect(git.root, revision=first), collect(git.root, revision="HEAD")

    assert (then.name, then.revision, paths(then.documents)) == ("shop", first, ["cart.py"])
    assert then.documents[0] == Document("shop", "cart.py", "python", module("cart"))
    assert paths(now.documents) == ["cart.py", "tax.py"]
    assert now.characters == len(module("cart", size=7)) + len(module("tax"))
    assert (git.root / "cart.py").read_text() == "broken"


def test_a_folder_without_history_is_collected_from_the_disk(tmp_path: Path) -> None:
    (tmp_path / "cart.py").write_bytes(module("cart").replace("\n", "\r\n").encode("utf-8-sig"))

    text = collect(tmp_path)

    assert text.revision is None
    assert text.documents == (Document(tmp_path.name, "cart.py", "python", module("cart")),)


def test_each_filter_is_counted_by_name(git: Git) -> None:
    git.commit(
        {
            "cart.py": module("cart"),
            "copy.py": module("cart"),
            "near.py": module("cart") + "\n# The end.\n",
            "old.py": '"""Deprecated: use cart."""\n' + module("basket"),
            "sloppy.py": "# type: ignore\n" + module("order"),
            "api_pb2.py": module("stock"),
            "short.py": "x = 1\n",
            "latin.py": (module("tax") + "# größer\n").encode("latin-1"),
            "image.py": module("image").encode() + b"\0",
            "key.py": "KEY = '" + "AKIA" + "ABCDEFGHIJKLMNOP" + "'\n" + module("key"),
            "huge.py": module("huge") * 4000,
            "vendor/six.py": module("six"),
        }
    )

    text = collect(git.root, revision="HEAD")

    assert paths(text.documents) == ["cart.py"]
    assert text.dropped == {
        "exact duplicate": 1,
        "near-duplicate": 1,
        "deprecated": 1,
        "suppressed errors": 1,
        "generated": 1,
        "wrong size": 2,
        "not UTF-8": 1,
        "binary": 1,
        "secret": 1,
        "vendored": 1,
    }


def test_what_the_project_ignores_is_not_read(git: Git) -> None:
    git.commit({".gitignore": "build/\n", ".codecompose.toml": 'ignore = ["legacy/"]\ndisabled_languages = ["go"]\n'})
    git.commit({"cart.py": module("cart"), "legacy/tax.py": module("tax"), "a.go": "package a\n" + module("go")})
    git("add", "--force", "--", *git.write({"build/order.py": module("order")}))
    git("commit", "--quiet", "--message", "by force")

    text = collect(git.root, revision="HEAD")

    assert paths(text.documents) == ["cart.py"]
    assert text.dropped == {"language switched off": 1}


def test_what_is_ignored_today_is_not_read_from_the_past_either(git: Git) -> None:
    first = git.commit({"cart.py": module("cart"), "private/plan.py": module("plan")})
    git.write({".codecomposeignore": "private/\n"})

    text = collect(git.root, revision=first)

    assert paths(text.documents) == ["cart.py"]
    assert text.dropped == {"ignored today": 1}


def test_what_cannot_be_collected_is_said_in_one_line(git: Git, tmp_path: Path) -> None:
    git.commit({"cart.py": module("cart")})
    with pytest.raises(InputError, match="no such folder"):
        collect(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no revision 'v9'"):
        collect(git.root, revision="v9")


def document(path: str, size: int) -> Document:
    return Document("shop", path, "python", "x" * size)


def test_a_tenth_is_for_validation_by_whole_files() -> None:
    documents = [document(f"{number}.py", 100) for number in range(40)]

    training, validation = split(documents)

    assert (len(training), len(validation)) == (36, 4)
    # A file keeps its side when others come and go.
    assert set(split(documents[:30])[1]) & set(training) == set()


def test_the_smallest_file_validates_where_all_are_large() -> None:
    assert split([document("a.py", 500), document("b.py", 400)]) == ((document("a.py", 500),), (document("b.py", 400),))


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 2000), min_size=2, max_size=30))
def test_every_file_is_on_one_side_and_no_side_is_empty(sizes: dict[str, int]) -> None:
    documents = [document(path, size) for path, size in sizes.items()]

    training, validation = split(documents, share=0.2, most=1500)

    assert training and validation
    assert sorted(paths(training) + paths(validation)) == sorted(sizes)
    assert len(validation) == 1 or sum(len(one.text) for one in validation) <= min(1500, 0.2 * sum(sizes.values()))
