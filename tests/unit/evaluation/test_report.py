"""Figures from outcomes, each against a case worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from rich.console import Console

from codecompose_ls.evaluation import bleu, report
from codecompose_ls.evaluation.results import ALL, Outcome, Row

NUMBERS = count()


def outcome(**fields: object) -> Outcome:
    """Return a miss of four characters in a file of its own, but for what is said."""
    number = next(NUMBERS)
    plain = Outcome("m", f"case{number}", "p", f"file{number}", "python", "mid_line", False, 0.0, 4, True, "", 1.0)
    return replace(plain, **fields)  # type: ignore[arg-type]


def by_group(outcomes: list[Outcome]) -> dict[tuple[str, str, str, str], Row]:
    return {(row.predictor, row.project, row.kind, row.language): row for row in report.rows(outcomes)}


def test_a_row_over_all_wherever_there_are_several() -> None:
    outcomes = [outcome(), outcome(language="go"), outcome(kind="line_start")]
    assert set(by_group(outcomes)) == {
        ("m", "p", kind, language)
        for kind in ("mid_line", "line_start", ALL)
        for language in ("python", "go", ALL)
        if (kind, language) != ("line_start", "go")
    }
    assert set(by_group([outcome(), outcome()])) == {("m", "p", "mid_line", "python")}
    assert set(by_group([outcome(), outcome(project="q")])) == {
        ("m", project, "mid_line", "python") for project in ("p", "q", ALL)
    }


def test_the_figures_of_a_row() -> None:
    (row,) = report.rows(
        [
            outcome(hit=True, edit_similarity=1.0, hidden_chars=4, latency_ms=10, tokens=1, logprob=-1.0),
            outcome(edit_similarity=0.5, hidden_chars=8, latency_ms=20, tokens=3, logprob=-2.0),
            outcome(answered=False, reason="empty", hidden_chars=4, latency_ms=30),
        ]
    )
    assert row.n == 3 and row.exact_match.value == pytest.approx(1 / 3)
    assert row.edit_similarity.value == pytest.approx(0.5)
    assert row.characters_saved.value == pytest.approx(4 / 16)
    assert row.answered.value == pytest.approx(2 / 3) and row.reasons == {"empty": 1}
    assert (row.p50_ms, row.p95_ms) == (20, pytest.approx(29))
    assert row.perplexity is not None and row.bits_per_character is not None
    # By token, not by line: 3 nats over 4 tokens, and over the 12 characters that were scored.
    assert row.perplexity.value == pytest.approx(2.718281828 ** (3 / 4))
    assert row.bits_per_character.value == pytest.approx(3 / 0.6931471806 / 12)
    assert row.bleu is None


def test_without_a_model_there_is_no_perplexity() -> None:
    (row,) = report.rows([outcome()])
    assert row.perplexity is None and row.bits_per_character is None


def test_intervals_of_means_know_that_cases_of_a_file_resemble_each_other() -> None:
    def width(files: int) -> float:
        hits = [outcome(edit_similarity=float(file % 2), path_hash=str(file)) for file in range(files)] * (40 // files)
        (row,) = report.rows(hits)
        return row.edit_similarity.high - row.edit_similarity.low

    assert width(4) > 2 * width(40)


def test_bleu_of_a_row_is_the_corpus_score_of_sacrebleu() -> None:
    from sacrebleu.metrics.bleu import BLEU

    pairs = [("return self.foo(bar)", "return self.bar(foo)"), ("", "x = 1"), ("a.b(c)", "a.b(c)"), ("import os", "x")]
    (row,) = report.rows([outcome(bleu=bleu.statistics(*pair)) for pair in pairs])
    spaced = [("return self . foo ( bar )", "return self . bar ( foo )"), ("", "x = 1"), ("a . b ( c )", "a . b ( c )")]
    spaced += [("import os", "x")]
    expected = BLEU(tokenize="none").corpus_score([one for one, _ in spaced], [[other for _, other in spaced]])
    assert row.bleu == pytest.approx(expected.score) and 0 < expected.score < 100
    assert "tok:none" in bleu.signature() and "nrefs:1" in bleu.signature()


def test_predictors_are_compared_on_the_same_cases_and_corrected_for_their_number() -> None:
    cases = [outcome(case=f"c{number}", kind="mid_line" if number < 6 else "line_start") for number in range(8)]
    good = [replace(one, predictor="good", hit=True) for one in cases]
    mute = [replace(one, predictor="mute") for one in cases]
    half = [replace(one, predictor="half", hit=one.case in ("c0", "c1")) for one in cases]
    found = {(one.first, one.second, one.kind): one for one in report.comparisons([*good, *mute, *half])}
    assert set(found) == {
        (*pair, kind)
        for pair in (("good", "mute"), ("good", "half"), ("mute", "half"))
        for kind in (ALL, "mid_line", "line_start")
    }
    pooled = found["good", "mute", ALL]
    assert (pooled.n, pooled.only_first, pooled.only_second) == (8, 8, 0)
    # 2 / 2**8, times the three pairs.
    assert pooled.p_value == pytest.approx(2 / 256) and pooled.p_holm == pytest.approx(6 / 256)
    assert report.sentence(pooled) == (
        "all kinds: good alone right 8, mute alone right 0 of 8 (McNemar exact, p = 0.0078, Holm 0.023)"
    )


def test_how_precise_the_surest_are_is_said_in_a_line() -> None:
    sure = [outcome(case=f"c{number}", hit=number < 3, confidence=1 - number / 10) for number in range(4)]
    mute = [outcome(predictor="floor", case=f"c{number}", answered=True) for number in range(4)]
    (row, *_) = report.rows([replace(one, answered=True) for one in sure])
    assert row.brier == pytest.approx((0 + 0.1**2 + 0.2**2 + 0.7**2) / 4)
    (line,) = report.precision([*(replace(one, answered=True) for one in sure), *mute])
    assert line == "m: precision 1.000 at 10%, 1.000 at 25%, 1.000 at 50% coverage (Brier score 0.135)"


def test_the_table_shows_projects_in_one_line_each() -> None:
    outcomes = [
        outcome(predictor=predictor, project=project, kind=kind)
        for predictor in ("floor", "base")
        for project in ("first", "second")
        for kind in ("mid_line", "line_start")
    ]
    figures = report.rows(outcomes)
    # Of all projects every kind, of each project all kinds together, for both predictors.
    assert report.table(figures).row_count == 2 * (3 + 2)
    console = Console(width=120)
    with console.capture() as printed:
        console.print(report.table(figures))
    assert all(word in printed.get() for word in ("floor", "first", "second", "line_start", "0.000 [0.000"))
