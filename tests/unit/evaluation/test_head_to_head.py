"""Base against tuned, on cases computed by hand and against scipy."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

pytest.importorskip("scipy")

from scipy.stats import wilcoxon

from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.head_to_head import HeadToHead, head_to_head
from codecompose_ls.evaluation.results import Outcome


def outcome(
    case: str, *, file: str, hit: bool = False, logprob: float | None = -1.0, tokens: int | None = 1
) -> Outcome:
    return Outcome(
        predictor="model",
        case=case,
        project="shop",
        path_hash=file,
        language="python",
        kind="mid_line",
        hit=hit,
        edit_similarity=0.0,
        hidden_chars=4,
        answered=True,
        reason="",
        latency_ms=1.0,
        tokens=tokens,
        logprob=logprob,
    )


def gains(*by_case: float, files: int) -> HeadToHead:
    """Compare a base to one that finds each case so much likelier; the cases take turns among the files."""
    base = [outcome(str(number), file=str(number % files)) for number in range(len(by_case))]
    tuned = [outcome(str(number), file=str(number % files), logprob=-1 + gain) for number, gain in enumerate(by_case)]
    return head_to_head(base, tuned)


def test_six_files_that_all_gain_are_one_chance_in_64() -> None:
    found = gains(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, files=6)

    assert found.p_value == pytest.approx(1 / 64)
    assert (found.n, found.files, found.unit) == (6, 6, "file")
    assert found.gain.value == pytest.approx(2.1 / 6)


def test_the_smallest_loss_doubles_the_chance() -> None:
    # Ranks 2 to 6 gain: W+ is 20 of 21, which two of the 64 patterns of signs reach.
    assert gains(-0.1, 0.2, 0.3, 0.4, 0.5, 0.6, files=6).p_value == pytest.approx(2 / 64)


def test_the_p_value_is_scipys_of_sums_over_files() -> None:
    by_case = [0.9, -0.3, 0.2, 0.4, -0.1, 0.7, 0.2, 0.1, -0.6, 0.5, 0.3, 0.25, 0.15, -0.05]

    by_file = [sum(by_case[file::7]) for file in range(7)]
    assert gains(*by_case, files=7).p_value == pytest.approx(wilcoxon(by_file, alternative="greater").pvalue)


def test_where_files_are_few_each_case_is_a_unit() -> None:
    found = gains(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, files=3)

    assert (found.unit, found.files) == ("case", 3)
    assert found.p_value == pytest.approx(1 / 128)


def test_the_gain_is_weighted_by_tokens() -> None:
    base = [outcome("long", file="a", logprob=-9.0, tokens=9), outcome("short", file="b", logprob=-4.0, tokens=1)]
    tuned = [outcome("long", file="a", logprob=-8.0, tokens=9), outcome("short", file="b", logprob=-5.0, tokens=1)]

    found = head_to_head(base, tuned)

    assert (found.base_nats, found.tuned_nats) == (pytest.approx(1.3), pytest.approx(1.3))
    assert found.gain.value == pytest.approx(0.0)
    assert found.tokens == 10


def test_a_case_without_room_for_a_likelihood_still_counts_for_exact_match() -> None:
    base = [outcome("a", file="a", hit=False), outcome("b", file="b", hit=True, logprob=None, tokens=None)]
    tuned = [outcome("a", file="a", hit=True), outcome("b", file="b", hit=True, logprob=None, tokens=None)]

    found = head_to_head(base, tuned)

    assert (found.base_exact_match.value, found.tuned_exact_match.value) == (0.5, 1.0)
    assert (found.only_base, found.only_tuned, found.p_exact_match) == (0, 1, 1.0)
    assert (found.n, found.tokens) == (2, 1)


def test_weights_that_differ_in_nothing_gain_nothing() -> None:
    found = gains(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, files=6)

    assert (found.p_value, found.gain.value) == (1.0, 0.0)


def test_nothing_asked_is_nothing_known() -> None:
    found = head_to_head([], [])

    assert (found.n, found.p_value, found.gain.value) == (0, 1.0, 0.0)


def test_other_cases_are_no_comparison() -> None:
    with pytest.raises(InputError, match="not of the same cases"):
        head_to_head([outcome("a", file="a")], [outcome("b", file="a")])


def test_it_survives_json() -> None:
    found = gains(0.1, 0.2, files=2)

    assert HeadToHead.from_json(json.loads(json.dumps(asdict(found))) | {"passed": True}) == found
