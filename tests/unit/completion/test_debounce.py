"""How long the model is not asked, for the next key may come."""

import pytest

from codecompose_ls.completion.debounce import Debounce
from codecompose_ls.settings import Settings

ADAPTIVE = Settings(debounce="adaptive", debounce_ms=75)
FIXED = Settings(debounce="fixed", debounce_ms=75)


def typing(*intervals: float) -> Debounce:
    debounce, now = Debounce(), 0.0
    debounce.note(now)
    for interval in intervals:
        now += interval
        debounce.note(now)
    return debounce


def test_an_idle_backend_is_asked_at_once() -> None:
    assert typing(100, 100).wait_ms(ADAPTIVE, idle=True) == 0
    assert typing(100, 100).wait_ms(FIXED, idle=True) == 0


@pytest.mark.parametrize(
    ("intervals", "wait"),
    [
        ((), 75),  # nothing known yet
        ((50, 50, 50), 30),  # a fast typist: 0.6 of 50
        ((200, 200), 75),  # a slow one: at most what the settings say
        ((50, 5000, 50), 30),  # a pause is no rhythm
        ((900,) + (50,) * 10, 30),  # the last ten count
        ((0, 0), 75),
    ],
)
def test_adaptive_follows_the_rhythm_of_typing(intervals: tuple[float, ...], wait: float) -> None:
    assert typing(*intervals).wait_ms(ADAPTIVE, idle=False) == pytest.approx(wait)


def test_fixed_is_what_the_settings_say() -> None:
    assert typing(50, 50).wait_ms(FIXED, idle=False) == 75


def test_no_wait_when_the_settings_say_none() -> None:
    assert Debounce().wait_ms(Settings(debounce_ms=0), idle=False) == 0
