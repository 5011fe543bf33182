"""Switching counting off: one line of the user's settings changes, and nothing else."""

import os
from pathlib import Path

import pytest

from codecompose_ls.errors import InputError
from codecompose_ls.settings import load
from codecompose_ls.telemetry.opt_out import opt_out


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "telemetry = false\n"),
        ("", "telemetry = false\n"),
        ("telemetry = true # mine\nmodel = 'base'\n", "telemetry = false # mine\nmodel = 'base'\n"),
        ("# all\r\nthreads = 1\r\n'telemetry'=true", "# all\r\nthreads = 1\r\n'telemetry'=false"),
        ("telemetry = false", "telemetry = false"),
        ("threads = 1\n[editor]\nx = 1\n", "telemetry = false\nthreads = 1\n[editor]\nx = 1\n"),
    ],
)
def test_the_rest_of_the_file_stays_as_it_is(
    before: str | None, after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "settings.toml"
    if before is not None:
        path.parent.mkdir()
        path.write_bytes(before.encode())
    opt_out(path)
    assert path.read_bytes().decode() == after
    assert [file.name for file in path.parent.iterdir()] == ["settings.toml"]
    monkeypatch.setenv("CODECOMPOSE_CONFIG", str(path))
    assert not load()[0].telemetry


@pytest.mark.parametrize(
    "before",
    [
        "telemetry = 'yes'\n",
        'text = """\ntelemetry = true\n"""\n',
        "[project]\ntelemetry = true\n",
        "this is no TOML",
        b"\xff",
    ],
)
def test_a_file_that_cannot_be_changed_so_is_left_alone_and_the_user_told_how(
    before: str | bytes, tmp_path: Path
) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(before if isinstance(before, bytes) else before.encode())
    with pytest.raises(InputError, match=r"telemetry = false.*yourself"):
        opt_out(path)
    assert path.read_bytes() == (before if isinstance(before, bytes) else before.encode())


def test_a_link_stays_a_link_and_a_private_file_private(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles.toml", tmp_path / "settings.toml"
    real.write_text("threads = 1\n")
    real.chmod(0o600)
    os.symlink(real, link)
    opt_out(link)
    assert link.is_symlink()
    assert real.read_text() == "telemetry = false\nthreads = 1\n"
    assert real.stat().st_mode & 0o777 == 0o600
