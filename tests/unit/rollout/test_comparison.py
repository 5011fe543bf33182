"""Arms compared by user: hand-computed figures, and bounds that hold at every look."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.rollout.comparison import Comparison, Users, compare, half_width, imbalance
from codecompose_ls.rollout.metrics import METRICS, Sums, User

RATE, LATENCY = METRICS["acceptance_rate"], METRICS["latency_ms"]


def users(*pairs: tuple[float, float], before: tuple[tuple[float, float], ...] = ()) -> Users:
    """Users who accepted so many of so many shown, and before they joined."""
    past = [*before, *[(0.0, 0.0)] * (len(pairs) - len(before))]
    return Users.of(
        [
            User(Sums(accepted=accepted, shown=shown), Sums(accepted=accepted_before, shown=shown_before))
            for (accepted, shown), (accepted_before, shown_before) in zip(pairs, past, strict=True)
        ]
    )


def compared(old: Users, new: Users) -> Comparison:
    found = compare(RATE, old, new)
    assert found is not None
    return found


def test_a_rate_is_of_all_users_together_and_its_error_is_the_jackknifes() -> None:
    # Old: 10 of 20. Without the first user 8/10, without the second 2/10, so the jackknife has 1/2 * (0.3^2 + 0.3^2).
    found = compared(users((2, 10), (8, 10)), users((5, 10), (7, 10)))
    assert (found.old_users, found.new_users) == (2, 2)
    assert (found.old, found.new) == (0.5, 0.6)
    assert found.difference == pytest.approx(0.1)
    # New: 7/10 and 5/10 around 6/10 give 1/2 * (0.1^2 + 0.1^2) = 0.01; as a share of 20 independent parts it has
    # 14/24 * 10/24 / 24 = 0.0101 at least.
    assert found.standard_error == pytest.approx(math.sqrt(0.09 + 14 / 24 * 10 / 24 / 24))


def test_users_with_nothing_shown_are_not_counted() -> None:
    found = compared(users((2, 10), (8, 10), (0, 0)), users((5, 10), (0, 0), (7, 10)))
    assert (found.old_users, found.new_users) == (2, 2)
    assert found == compared(users((2, 10), (8, 10)), users((5, 10), (7, 10)))


def test_one_user_alone_says_nothing_of_others() -> None:
    assert compare(RATE, users((2, 10)), users((5, 10), (7, 10))) is None
    assert compare(RATE, users(), users()) is None


def test_where_nothing_varies_yet_there_is_nothing_to_say() -> None:
    none_kept = Users.of([User(Sums(shown=10)), User(Sums(shown=20))])
    assert compare(METRICS["retained_per_shown"], none_kept, none_kept) is None


def test_no_error_yet_is_not_none_ever() -> None:
    clean = Users.of([User(Sums(requested=100)), User(Sums(requested=100))])
    found = compare(METRICS["error_rate"], clean, clean)
    assert found is not None and found.difference == 0
    assert found.standard_error == pytest.approx(math.sqrt(2 * (2 / 204) * (202 / 204) / 204))


def test_suggestions_of_one_user_are_not_independent_witnesses() -> None:
    """The same figures, all of a user's suggestions going one way: by suggestion it would look certain."""
    old, new = users(*[(0, 1000), (500, 1000)] * 5), users(*[(0, 1000), (400, 1000)] * 5)
    by_suggestion = math.sqrt(0.25 * 0.75 / 10_000 + 0.2 * 0.8 / 10_000)
    assert compared(old, new).standard_error > 15 * by_suggestion


def test_what_users_did_before_is_taken_out() -> None:
    """Both arms go on exactly as before; the new one happens to have those who accept more."""
    random = np.random.default_rng(0)
    rates = random.beta(2, 6, 200)
    past = [(round(3000 * rate), 3000) for rate in rates]
    now = [(random.binomial(1000, rate), 1000) for rate in rates]
    order = np.argsort(rates + random.normal(0, 0.5, 200))
    arms = [[now[place] for place in half] for half in (order[:100], order[100:])]
    pasts = [tuple(past[place] for place in half) for half in (order[:100], order[100:])]
    raw = compared(users(*arms[0]), users(*arms[1]))
    adjusted = compared(users(*arms[0], before=pasts[0]), users(*arms[1], before=pasts[1]))
    assert adjusted.standard_error < raw.standard_error / 5
    assert abs(adjusted.difference) < 3 * adjusted.standard_error < raw.difference
    assert (adjusted.old, adjusted.new) == (raw.old, raw.new)


def test_a_past_that_foretells_nothing_changes_little() -> None:
    random = np.random.default_rng(1)
    now = [[(random.binomial(50, rate), 50) for rate in random.beta(2, 6, 100)] for _ in range(2)]
    past = [tuple((random.binomial(50, 0.3), 50) for _ in range(100)) for _ in range(2)]
    raw = compared(users(*now[0]), users(*now[1]))
    adjusted = compared(users(*now[0], before=past[0]), users(*now[1], before=past[1]))
    assert adjusted.standard_error == pytest.approx(raw.standard_error, rel=0.05)


def test_the_bound_is_that_of_the_paper() -> None:
    """Waudby-Smith et al.'s one-sided bound with rho chosen for this scale, by hand."""
    alpha = 0.05
    rho_squared_t = -2 * math.log(2 * alpha) + math.log(-2 * math.log(2 * alpha) + 1)
    # At the information where it is tightest, n observations of variance 1 with n = 1.
    tightest = math.sqrt(
        2 * (rho_squared_t + 1) / rho_squared_t * math.log(1 + math.sqrt(rho_squared_t + 1) / (2 * alpha))
    )
    assert tightest == pytest.approx(2.78, abs=0.005)
    assert half_width(0.01 / tightest, scale=0.01, alpha=alpha) == pytest.approx(0.01)
    # Four times as many: rho stays, n grows.
    t = 4 * rho_squared_t
    wanted = math.sqrt(2 * (t + 1) / t * math.log(1 + math.sqrt(t + 1) / (2 * alpha)))
    assert half_width(0.5, scale=tightest, alpha=alpha) == pytest.approx(wanted * 0.5)


@given(error=st.floats(1e-6, 1e3), scale=st.floats(1e-4, 1e3), alpha=st.floats(1e-6, 0.2))
def test_a_bound_is_wider_than_that_for_one_look(error: float, scale: float, alpha: float) -> None:
    assert half_width(error, scale=scale, alpha=alpha) > NormalDist().inv_cdf(1 - alpha) * error


def test_bounds_on_a_walk_without_drift_are_rarely_wrong_at_any_look() -> None:
    """A thousand Brownian motions looked at four hundred times, over four orders of magnitude of information."""
    information = np.geomspace(0.01, 100, 400)
    steps = np.sqrt(np.diff(information, prepend=0))
    walks = np.cumsum(np.random.default_rng(0).standard_normal((1000, 400)) * steps, axis=1)
    widths = np.array([half_width(one**-0.5, scale=1.0, alpha=0.05) for one in information])
    ever = (walks / information > widths).any(axis=1).mean()
    once = (walks[:, -1] / information[-1] > widths[-1]).mean()
    naive = (walks / information > 1.645 / np.sqrt(information)).any(axis=1).mean()
    assert once < ever <= 0.05 < 0.4 < naive


def test_arms_that_are_unlike_in_size_are_no_chance() -> None:
    assert imbalance(0, 0) == 1
    assert imbalance(1000, 1000) == 1
    assert imbalance(1040, 960) > 0.1
    assert imbalance(1000, 800) < 0.001
    assert imbalance(800, 1000) == pytest.approx(imbalance(1000, 800))


def test_even_arms_rarely_ever_look_uneven() -> None:
    coins = np.random.default_rng(2).integers(0, 2, (300, 1000)).cumsum(axis=1)
    looks = range(0, 1000, 50)
    ever = [any(imbalance(int(heads[look]), look + 1 - int(heads[look])) < 0.05 for look in looks) for heads in coins]
    assert np.mean(ever) < 0.05


def test_latency_is_by_answer() -> None:
    old = Users.of([User(Sums(answered=10, latency_ms=1000)), User(Sums(answered=30, latency_ms=2400))])
    new = Users.of([User(Sums(answered=10, latency_ms=1500)), User(Sums(answered=10, latency_ms=1000))])
    found = compare(LATENCY, old, new)
    assert found is not None and (found.old, found.new) == (85, 125)
