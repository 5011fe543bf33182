"""The table of roll-outs: every rule on the same users, shares with their intervals."""

from codecompose_ls.rollout.experiments import Status, Wave
from codecompose_ls.rollout.simulation import Population, Run, Truth
from scripts.simulate_rollout import RULES, Scenario, outcomes, row


def test_a_scenario_is_run_under_every_rule() -> None:
    scenario = Scenario("broken", Truth(errors=0.5), Population(users=200), days=5, waves=(Wave(50, days=3),))
    assert outcomes(scenario, 0) == [Run(Status.HALTED, 0, 1)] * len(RULES)


def test_a_row_has_shares_of_all_and_the_days_of_what_has_ended() -> None:
    runs = [
        Run(Status.HALTED, 0, 3),
        Run(Status.COMPLETE, 2, 10),
        Run(Status.COMPLETE, 2, 14),
        Run(Status.RUNNING, 1, 60),
    ]
    shares = "25.0 % [4.6, 69.9] | 50.0 % [15.0, 85.0] | 25.0 % [4.6, 69.9]"
    assert row(Scenario("it", Truth()), "a rule", runs) == (
        f"| it | a rule | 4 | {shares} | 10 | false halts 25.0 % [4.6, 69.9] |"
    )
    assert row(Scenario("it", Truth(latency=1.3)), "a rule", runs) == (
        f"| it | a rule | 4 | {shares} | 10 | missed harms 50.0 % [15.0, 85.0] |"
    )
