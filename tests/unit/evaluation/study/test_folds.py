"""Folds: every file is in one, near-duplicates are in none, and each fold tests once."""

from pathlib import Path

import pytest

from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.projects import project_at
from codecompose_ls.evaluation.study.folds import split

TEXT = """def area_{n}(width_{n}: float, height_{n}: float) -> float:
    return width_{n} * height_{n} + {n} * offset_{n}
"""


def _project(folder: Path, count: int) -> Path:
    for n in range(count):
        (folder / f"shape_{n}.py").write_text(TEXT.format(n=n) * (n + 1), encoding="utf-8")
    return folder


def test_every_file_is_in_one_fold_and_folds_are_about_equal(tmp_path: Path) -> None:
    folds = split(project_at(_project(tmp_path, 12), name="shapes"), folds=4)
    paths = sorted(document.path for part in folds.documents for document in part)
    assert paths == sorted(f"shape_{n}.py" for n in range(12))
    sizes = [sum(len(document.text) for document in part) for part in folds.documents]
    assert max(sizes) < 2 * min(sizes)


def test_each_fold_tests_once_and_validates_once_and_the_others_train(tmp_path: Path) -> None:
    folds = split(project_at(_project(tmp_path, 8), name="shapes"), folds=4)
    roles = [folds.roles(fold) for fold in range(4)]
    assert [role.test for role in roles] == list(folds.documents)
    assert [role.validation for role in roles] == [*folds.documents[1:], folds.documents[0]]
    for role in roles:
        assert len(role.training) + len(role.validation) + len(role.test) == 8
        assert not {*role.training} & {*role.validation, *role.test}


def test_a_near_duplicate_is_in_no_fold(tmp_path: Path) -> None:
    _project(tmp_path, 6)
    (tmp_path / "z_copy.py").write_text(TEXT.format(n=3) * 4 + "# a copy\n", encoding="utf-8")
    folds = split(project_at(tmp_path, name="shapes"), folds=3)
    assert folds.dropped == {"near-duplicate": 1}
    assert "z_copy.py" not in {document.path for part in folds.documents for document in part}


def test_the_seed_decides_and_the_test_fold_can_be_asked(tmp_path: Path) -> None:
    project = project_at(_project(tmp_path, 9), name="shapes")
    first, again, other = (split(project, folds=3, seed=seed) for seed in (0, 0, 1))
    assert first == again != other
    assert set(first.asked(1).files) == {document.path for document in first.documents[1]}


def test_too_few_files_or_folds_are_refused_in_one_line(tmp_path: Path) -> None:
    project = project_at(_project(tmp_path, 2), name="shapes")
    with pytest.raises(InputError, match="2 files are left to learn from, too few for 4 folds"):
        split(project, folds=4)
    with pytest.raises(InputError, match="--folds 2"):
        split(project, folds=2)
