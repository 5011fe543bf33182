"""A made-up team: the same sums for the same seed, by person, and a page that can be drawn of them."""

from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("fastapi")

from codecompose_ls.service.team import database
from codecompose_ls.service.team.buckets import TeamSource
from codecompose_ls.telemetry.rollup import users
from scripts import fill_team


def test_a_team_is_filled_and_its_page_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fill_team, "DRAWN_FROM", 2)
    engine = database.connect(f"sqlite:///{tmp_path / 'team.sqlite3'}")
    made = list(fill_team.sums(people=6, days=10))
    assert made == list(fill_team.sums(people=6, days=10))
    count = fill_team.fill(engine, iter(made))
    assert len(TeamSource(engine)()) == count and len(TeamSource(engine)(tell_positions=True)) == len(made)
    assert set(users(TeamSource(engine)(), by="editor").values()) == {3}
    fill_team.measure(engine)
    assert capsys.readouterr().out.count("groups of 5") == len(fill_team.QUERIES)
    engine.dispose()
