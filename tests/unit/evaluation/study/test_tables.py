"""The seeds' tables from cells made by hand: averages over folds, ratios over base, top-k, curves and their mean."""

from __future__ import annotations

import math

import pytest

from codecompose_ls.evaluation import bleu
from codecompose_ls.evaluation.study import cost_tables, figures, language_tables, quality_tables
from codecompose_ls.evaluation.study.cell import BASE, Asked, Cell, CellResult, Part, Point, Tuning, hashed
from codecompose_ls.evaluation.study.results import ProjectFacts, Study, bleu4, perplexity
from codecompose_ls.evaluation.study.shared_tokens import SharedTokens


def _asked(case: str, *, said: str, hidden: str, nats: float, rank: int | None, language: str = "python") -> Asked:
    """One case whose hidden text has two tokens."""
    names = hashed(hidden.split()), hashed(said.split())
    statistics = bleu.statistics(said, hidden)
    return Asked(case, "p", case[0], language, said == hidden, rank, rank, True, 2, -2 * nats, statistics, *names)


def _tuning(*losses: float, spent: float = 1.0) -> Tuning:
    curve = tuple(Point(step * 10, step * 100, 1.0, step * spent, loss) for step, loss in enumerate(losses))
    return Tuning(10, 100, 2.0, spent * (len(losses) - 1), "epochs", curve, (("decoder", 0, 1e-4),))


def _study(cells: list[CellResult]) -> Study:
    names = list(dict.fromkeys(one.cell.project for one in cells if one.cell.part is Part.STRATEGIES))
    projects = tuple(ProjectFacts(name, "python", 4, 1000, {}, 500, 2) for name in names)
    shared = SharedTokens(("a", "b"), (2, 4), ((1.0, 0.5), (0.25, 1.0)))
    return Study({"candidates": 3, "rotations": 2, "folds": 4}, projects, tuple(cells), shared, ())


def _cell(strategy: str, fold: int, *asked: Asked, tuning: Tuning | None = None) -> CellResult:
    return CellResult(Cell(Part.STRATEGIES, "p", strategy, "lcm", fold), tuning, asked)


RIGHT = _asked("a1", said="x = total ( y )", hidden="x = total ( y )", nats=1.0, rank=1)
WRONG = _asked("a2", said="z", hidden="x = total ( y )", nats=2.0, rank=None)
SECOND = _asked("b1", said="q = r", hidden="x = total ( y )", nats=3.0, rank=2)


def test_quality_is_the_mean_over_folds_not_over_cases() -> None:
    study = _study([_cell(BASE, 0, RIGHT), _cell(BASE, 1, WRONG, SECOND)])
    score, surprise = quality_tables.quality(study)
    assert [row[:2] for row in score.rows] == [("p", 3), ("average", 3)]
    assert score.rows[0][2] == pytest.approx((100 + (bleu4([WRONG, SECOND]) or 0)) / 2)
    assert surprise.rows[0][2] == surprise.rows[1][2] == pytest.approx((math.exp(1.0) + math.exp(2.5)) / 2)


def test_perplexity_is_weighted_by_tokens_and_bleu_is_sacrebleus() -> None:
    from sacrebleu import corpus_bleu

    assert perplexity([RIGHT, SECOND]) == pytest.approx(math.exp(2.0))
    hypotheses, references = ["x = total ( y )", "q = r"], ["x = total ( y )", "x = total ( y )"]
    expected = corpus_bleu(hypotheses, [references], tokenize="none").score
    assert bleu4([RIGHT, SECOND]) == pytest.approx(expected)
    assert perplexity([]) is None and bleu4([]) is None


def test_matches_are_counted_up_to_each_rank() -> None:
    for table in quality_tables.matches(_study([_cell(BASE, 0, RIGHT, WRONG, SECOND)])):
        (row,) = table.rows
        assert row[:5] == (BASE, 3, pytest.approx(1 / 3), pytest.approx(2 / 3), pytest.approx(2 / 3))
        assert float(row[5] or 0) < 1 / 3 < float(row[6] or 0)


def test_style_is_of_files_and_a_mute_model_has_none() -> None:
    study = _study([_cell(BASE, 0, RIGHT, WRONG, SECOND)])
    # File a: half of the words said are the developer's; file b: one of them is.
    first, second = quality_tables.style_of(study, BASE)
    assert 0.5 < first < 1 and 0 < second < 0.5


def test_cost_and_change_are_means_over_models() -> None:
    cells = [
        _cell("custom", 0, tuning=_tuning(3.0, 2.0, 2.5)),
        _cell("custom", 1, tuning=_tuning(5.0, 4.0, 3.0, spent=2.0)),
    ]
    (row,) = cost_tables.cost(_study(cells)).rows
    #                models, base, best, tokens, steps, PF-s, PF-s to the best
    assert row[1:8] == (2, 4.0, 2.5, 100.0, 10.0, 3.0, 2.5)
    (change,) = cost_tables.change_table(_study(cells)).rows
    assert change[:3] == ("(decoder, 0)", 2, pytest.approx(1e-4))


def test_the_mean_loss_begins_where_all_have_begun_and_keeps_what_has_ended() -> None:
    curve = figures._mean_curve([_tuning(9.0, 3.0, 2.0), _tuning(9.0, 5.0, 4.0, spent=4.0)])
    assert curve[0] == (4.0, pytest.approx((2.0 + 5.0) / 2))
    assert curve[-1] == (pytest.approx(8.0), pytest.approx((2.0 + 4.0) / 2))


def test_perplexity_by_steps_is_absolute_and_relative_to_the_base() -> None:
    cells = [
        CellResult(Cell(Part.LANGUAGE, "ruby", name, "cm", 0), _tuning(math.log(4), loss), ())
        for name, loss in (("custom", math.log(2)), ("lora", math.log(3)))
    ]
    table = language_tables.perplexity_by_steps(_study(cells))
    assert table is not None
    assert table.rows[0] == (0, pytest.approx(4), pytest.approx(4), 1.0, 1.0)
    assert table.rows[1] == (10, pytest.approx(2), pytest.approx(3), pytest.approx(0.5), pytest.approx(0.75))
    assert language_tables.perplexity_by_steps(_study([_cell(BASE, 0, RIGHT)])) is None


def test_by_language_has_ratios_over_the_base_on_the_same_lines() -> None:
    go = _asked("c1", said="a", hidden="a", nats=1.0, rank=1, language="go")
    tuned = CellResult(Cell(Part.OBJECTIVES, "all", "custom", "lcm", 0), None, (RIGHT, RIGHT, go))
    table = language_tables.by_language(_study([_cell(BASE, 0, RIGHT, WRONG, go), tuned]))
    assert table is not None
    rows = {row[:2]: row for row in table.rows}
    assert rows["all", "lcm"][3] == 1.0 and rows["all", "lcm"][6] == pytest.approx(3 / 2)
    assert rows["python", BASE][2:4] == (2, 0.5) and rows["python", "lcm"][6] == pytest.approx(2.0)
    assert rows["go", "lcm"][6] == 1.0


def test_every_figure_can_be_drawn_and_stands_alone() -> None:
    from xml.etree.ElementTree import fromstring

    from codecompose_ls.evaluation.study.report import standalone

    tuned = _cell("custom", 0, RIGHT, WRONG, tuning=_tuning(3.0, 2.0, 1.5))
    drawn = list(figures.figures(_study([_cell(BASE, 0, RIGHT, WRONG), tuned])))
    assert [figure.name for figure in drawn] == ["shared_tokens", "style", "losses", "changes"]
    for figure in drawn:
        assert fromstring(standalone(figure)).tag == "{http://www.w3.org/2000/svg}svg"
