"""General code is drawn alike every time, and never from what is to be proved or from what measures retention."""

from __future__ import annotations

from pathlib import Path

import pytest

from codecompose_ls.errors import InputError
from codecompose_ls.tuning.corpus import Document
from codecompose_ls.tuning.replay import replay_documents, retained_code
from tests.repositories import module

NOUNS = [f"{kind}{thing}" for kind in ("blue", "cold", "deep", "fast") for thing in ("Barn", "Cart", "Door", "Fork")]


@pytest.fixture
def general(tmp_path: Path) -> Path:
    """A folder of sixteen packages with a module each."""
    for noun in NOUNS:
        path = tmp_path / "general" / noun / "main.py"
        path.parent.mkdir(parents=True)
        path.write_text(module(noun))
    return tmp_path / "general"


def test_a_fraction_of_the_whole_corpus_is_replayed(general: Path) -> None:
    documents = replay_documents(0.5, 4000, folder=general)

    assert abs(sum(len(one.text) for one in documents) - 4000) < 2000
    assert documents == replay_documents(0.5, 4000, folder=general)
    assert {one.package for one in documents} == {"general"}
    assert replay_documents(0.0, 4000, folder=general) == ()


def test_what_is_replayed_is_never_measured(general: Path) -> None:
    replayed = {one.path for one in replay_documents(0.9, 10**6, folder=general)}
    (kept,) = retained_code(folder=general)

    assert replayed and kept.files
    assert replayed.isdisjoint(kept.files)
    assert len(replayed) + len(kept.files) == len(NOUNS)
    assert kept.root == general


def test_an_installed_copy_of_the_project_is_not_replayed(general: Path) -> None:
    everything = {one.path for one in replay_documents(0.9, 10**6, folder=general)}
    by_name, by_text = sorted(everything)[:2]
    project = [
        Document("shop", f"src/{by_name}", "python", "its own version"),
        Document("shop", "other/name.py", "python", (general / by_text).read_text()),
    ]

    assert {one.path for one in replay_documents(0.9, 10**6, folder=general, exclude=project)} == everything - {
        by_name,
        by_text,
    }


def test_the_running_interpreter_has_general_code() -> None:
    documents = replay_documents(0.1, 200_000)

    assert 10_000 < sum(len(one.text) for one in documents) < 60_000
    assert {one.language for one in documents} == {"python"}
    assert len(retained_code(files=5)[0].files) >= 1


def test_a_folder_without_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no source code to replay"):
        replay_documents(0.1, 1000, folder=tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        replay_documents(0.1, 1000, folder=tmp_path / "nowhere")
