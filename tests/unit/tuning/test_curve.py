"""The curve grows by rows, can be cut back to a checkpoint, and drawn."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from codecompose_ls.tuning.curve import CURVE, append_row, draw_curve, forget_rows


def write(path: Path, steps: range) -> None:
    for step in steps:
        append_row(path, CURVE, (step, step * 1_000_000, step * 60, 10.0 - step, 9.0 if step > 2 else "", 0.003))


def test_rows_after_a_checkpoint_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    write(path, range(1, 6))
    forget_rows(path, after=3)
    write(path, range(4, 5))
    lines = path.read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["step", "1", "2", "3", "4"]


def test_nothing_is_forgotten_where_nothing_is(tmp_path: Path) -> None:
    forget_rows(tmp_path / "curve.csv", after=3)
    assert not (tmp_path / "curve.csv").exists()


def test_the_picture_has_a_line_for_each_loss(tmp_path: Path) -> None:
    write(tmp_path / "curve.csv", range(1, 6))
    draw_curve(tmp_path / "curve.csv", tmp_path / "curve.svg")
    picture = ElementTree.parse(tmp_path / "curve.svg").getroot()
    training, held_out = picture.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(training.attrib["points"].split()) == 5
    assert len(held_out.attrib["points"].split()) == 3
    # The largest loss is at the top, the last token at the right.
    assert training.attrib["points"].split()[0].endswith(",20.0")
    assert training.attrib["points"].split()[-1].startswith("700.0,")
