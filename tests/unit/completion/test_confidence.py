"""Features and the probability made of them, by hand; what they say of each other."""

from __future__ import annotations

import math
from dataclasses import asdict, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.completion.confidence import (
    BIAS,
    LEAST,
    MOST,
    THRESHOLDS,
    WEIGHTS,
    Features,
    aligned,
    confidence,
    log_odds,
    remaining,
)
from codecompose_ls.settings import Settings
from codecompose_ls.types import Piece

CALL = (Piece("sum", -0.5), Piece("(items", -0.25), Piece(")", -0.125), Piece("", -0.0625, "stop"))


def features(text: str, pieces: tuple[Piece, ...]) -> Features:
    return Features.of(text, aligned(text, pieces))


class TestFeatures:
    def test_of_a_line_that_the_model_ended(self) -> None:
        assert features("sum(items)", CALL) == Features(
            line=log_odds(-0.9375), weakest=log_odds(-0.5), by_itself=True, several=False
        )

    def test_of_a_line_that_a_line_break_ended(self) -> None:
        found = features("sum(items)", (*CALL[:3], Piece("\n", -0.75)))
        assert found == Features(line=log_odds(-1.625), weakest=log_odds(-0.75), by_itself=False)

    def test_of_a_line_cut_off_at_the_limit(self) -> None:
        found = features("sum(items)", (*CALL[:2], Piece(")", -0.125, "length")))
        assert (found.by_itself, found.line) == (False, log_odds(-0.875))

    def test_of_several_lines_the_first_counts(self) -> None:
        pieces = (Piece("\n    ", -0.5), Piece("return", -0.25), Piece("\n", -1), Piece("x", -9), Piece("", 0, "stop"))
        found = features("\n    return\nx", pieces)
        assert (found.line, found.weakest, found.several) == (log_odds(-1.75), log_odds(-1), True)

    def test_what_filters_took_off_does_not_count(self) -> None:
        assert features("sum(items)", (Piece("    ", -3), *CALL)) == features("sum(items)", CALL)
        # Half of a piece is half as much to be unsure of.
        half = features("sum(items)", (Piece("  su", -0.5), Piece("m", -0.25), *CALL[1:]))
        assert half.line == pytest.approx(log_odds(-0.25 + -0.25 - 0.4375))

    def test_the_unlikely_is_all_the_same(self) -> None:
        assert features("x", (Piece("x", -40),)) == features("x", (Piece("x", LEAST),))
        assert features("x", (Piece("x", 0.0),)).line == log_odds(MOST)

    def test_of_what_is_left_when_the_beginning_is_typed(self) -> None:
        assert Features.of("(items)", remaining(CALL, 3)) == features("(items)", CALL[1:])
        assert remaining(CALL, 0) == CALL

    @given(st.integers(0, 8))
    def test_the_more_is_typed_the_likelier_is_the_rest(self, typed: int) -> None:
        rests = [Features.of("sum(items)"[count:], remaining(CALL, count)) for count in (typed, typed + 1)]
        assert rests[0].line < rests[1].line and rests[0].weakest <= rests[1].weakest


class TestConfidence:
    def test_by_hand(self) -> None:
        one = Features(line=2.0, weakest=-0.5, several=True)
        score = BIAS + 2.0 * WEIGHTS["line"] - 0.5 * WEIGHTS["weakest"] + WEIGHTS["by_itself"] + WEIGHTS["several"]
        assert confidence(one) == pytest.approx(1 / (1 + math.exp(-score)))

    def test_log_odds_by_hand(self) -> None:
        assert log_odds(math.log(0.5)) == pytest.approx(0)
        assert log_odds(math.log(0.8)) == pytest.approx(math.log(4))

    def test_every_feature_has_its_weight(self) -> None:
        assert list(WEIGHTS) == list(asdict(Features())) == [field.name for field in fields(Features)]

    def test_every_choice_has_its_threshold(self) -> None:
        choices = next(field for field in fields(Settings) if field.name == "eagerness").metadata["choices"]
        assert set(THRESHOLDS) == set(choices)
        assert THRESHOLDS["high"] == 0 < THRESHOLDS["balanced"] < THRESHOLDS["low"] < 1

    @given(st.floats(-50, 0), st.floats(-50, 0), st.booleans(), st.booleans())
    def test_what_is_likelier_is_surer(self, a: float, b: float, by_itself: bool, several: bool) -> None:
        one = Features(by_itself=by_itself, several=several)
        low, high = (confidence(replace(one, line=log_odds(logprob))) for logprob in sorted((a, b)))
        assert 0 < low <= high < 1

    @given(st.lists(st.floats(-30, 0), min_size=1, max_size=8), st.integers(0, 7), st.floats(-5, 0))
    def test_a_less_likely_token_makes_no_surer(self, logprobs: list[float], place: int, less: float) -> None:
        text = "x" * len(logprobs)
        worse = [value + less * (place % len(logprobs) == number) for number, value in enumerate(logprobs)]
        before, after = (
            confidence(features(text, (*(Piece("x", value) for value in values), Piece("", 0.0, "stop"))))
            for values in (logprobs, worse)
        )
        assert after <= before + 1e-12
