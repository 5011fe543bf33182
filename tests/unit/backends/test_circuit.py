"""The circuit breaker, second by second."""

from __future__ import annotations

import pytest

from codecompose_ls.backends.circuit import Circuit, State


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit(clock)


def fail(circuit: Circuit, times: int) -> None:
    for _ in range(times):
        assert circuit.admits()
        circuit.failed()


def test_it_takes_three_failures_in_a_row(circuit: Circuit) -> None:
    fail(circuit, 2)
    circuit.succeeded()
    fail(circuit, 2)
    assert circuit.state is State.CLOSED
    fail(circuit, 1)
    assert circuit.state is State.OPEN
    assert not circuit.admits()
    assert circuit.wait_s == 5


def test_after_the_cool_down_one_request_is_the_trial(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now += 5
    assert circuit.state is State.HALF_OPEN
    assert [circuit.admits(), circuit.admits()] == [True, False]
    circuit.succeeded()
    assert circuit.state is State.CLOSED
    assert circuit.admits()


def test_a_trial_that_fails_doubles_the_cool_down(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    waits = []
    for _ in range(8):
        clock.now += circuit.wait_s
        fail(circuit, 1)
        waits.append(circuit.wait_s)
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]
    clock.now += circuit.wait_s
    assert circuit.admits()
    circuit.succeeded()
    fail(circuit, 3)
    assert circuit.wait_s == 5


def test_a_trial_that_is_abandoned_leaves_its_place_to_the_next(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now += 5
    assert circuit.admits()
    circuit.abandoned()
    assert circuit.state is State.HALF_OPEN
    assert circuit.admits()


def test_a_server_that_asks_for_peace_gets_it_at_once_but_not_for_ever(circuit: Circuit) -> None:
    circuit.failed(hold_s=30)
    assert circuit.state is State.OPEN
    assert circuit.wait_s == 30
    circuit.failed(hold_s=1e9)
    assert circuit.wait_s == 300
