"""Count what the guard rails promise, on simulated users whose truth is known; prints the table of the how-to.

    python -m scripts.simulate_rollout --simulations 500             # every row
    python -m scripts.simulate_rollout --simulations 200 --row 9     # one of them; --help lists them
    python -m scripts.simulate_rollout --simulations 300 --intervals # how often the dashboard's are ever wrong

The same users are put before the guard rails and before the usual z-test, taken every day. `error` says which share is
the one that the guard rails bound: harmless changes that were halted, or harms that reached everyone. Beside each share
is Wilson's 95 % interval. Seconds for a roll-out of 2,000 users.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from statistics import median

from rich.console import Console
from rich.progress import track

from codecompose_ls.evaluation.metrics import Interval, wilson
from codecompose_ls.rollout.experiments import Status, Wave
from codecompose_ls.rollout.metrics import METRICS
from codecompose_ls.rollout.simulation import (
    WAVES,
    Population,
    Run,
    Truth,
    by_suggestion_at_one_look,
    by_user_at_every_look,
    by_user_at_one_look,
    ever_wrong,
    experiment,
    simulate,
)

RULES = {
    "guard rails": by_user_at_every_look,
    "z-test by user, daily": by_user_at_one_look,
    "z-test by suggestion, daily": by_suggestion_at_one_look,
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A truth, a team, and for how long it is looked at."""

    name: str
    truth: Truth
    population: Population = field(default_factory=Population)
    margin: float = 0.02
    days: int = 60
    waves: tuple[Wave, ...] = WAVES

    @property
    def is_harm(self) -> bool:
        """Whether the change is worse than before by some margin, and should be halted."""
        truth = self.truth
        return truth.acceptance < 0 or truth.latency > 1 or truth.errors > 0 or truth.lost > 0


#: Users in an arm whose intervals are looked at.
ARMS = (5, 10, 20, 30)
SMALL = Population(users=400)
#: Thirty users an arm: as few as anything is decided on by default.
ONE_WAVE = (Wave(50, days=5),)
SCENARIOS = (
    Scenario("no difference", Truth()),
    Scenario("acceptance down by the margin, 2 points", Truth(acceptance=-0.02)),
    Scenario("acceptance down 4 points", Truth(acceptance=-0.04)),
    Scenario("latency up by 30 %", Truth(latency=1.3)),
    Scenario("errors up by 1 point", Truth(errors=0.01)),
    Scenario("does not start with 20 % of users", Truth(lost=0.2)),
    Scenario("acceptance up 2 points", Truth(acceptance=0.02)),
    Scenario("acceptance down 4 points, 400 users, 120 days", Truth(acceptance=-0.04), SMALL, days=120),
    Scenario("no difference, 400 users, 120 days", Truth(), SMALL, days=120),
    Scenario("no difference, 60 users, one wave, 120 days", Truth(), Population(users=60), days=120, waves=ONE_WAVE),
    Scenario("no difference, margin 0.5 points, 120 days", Truth(), margin=0.005, days=120),
    Scenario("acceptance down by the margin, 400 users, 120 days", Truth(acceptance=-0.02), SMALL, days=120),
)


def main() -> None:
    rows = "\n".join(f"{number:>4}  {scenario.name}" for number, scenario in enumerate(SCENARIOS, 1))
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"rows:\n{rows}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulations", type=int, default=500, help="of each row")
    parser.add_argument(
        "--row", type=int, action="append", choices=range(1, len(SCENARIOS) + 1), metavar="N", help="this row alone"
    )
    parser.add_argument("--intervals", action="store_true", help="those of small arms instead, looked at for 60 days")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    args = parser.parse_args()
    if args.intervals:
        intervals(args.simulations, jobs=args.jobs)
        return
    print("| truth | rule | n | halted | reached everyone | still open | median days | error |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    with ProcessPoolExecutor(args.jobs) as pool:
        for scenario in SCENARIOS if args.row is None else [SCENARIOS[number - 1] for number in args.row]:
            drawn = pool.map(partial(outcomes, scenario), range(args.simulations), chunksize=10)
            runs = list(track(drawn, scenario.name, args.simulations, console=Console(stderr=True), transient=True))
            for number, rule in enumerate(RULES):
                print(row(scenario, rule, [every[number] for every in runs]), flush=True)


def intervals(simulations: int, *, jobs: int) -> None:
    """Print how often an interval was wrong at any look, by users in an arm and metric."""
    print(f"| users an arm | {' | '.join(METRICS)} |")
    print(f"| --- |{' --- |' * len(METRICS)}", flush=True)
    with ProcessPoolExecutor(jobs) as pool:
        for users in ARMS:
            look = partial(wrong_intervals, users)
            wrong = list(pool.map(look, range(simulations), chunksize=10))
            shares = [shown(wilson(sum(name in found for found in wrong), simulations)) for name in METRICS]
            print(f"| {users} | {' | '.join(shares)} |", flush=True)


def wrong_intervals(users: int, seed: int) -> set[str]:
    """Return the metrics whose interval is ever wrong, with so many users in an arm."""
    return ever_wrong(experiment(), population=Population(users=2 * users), days=60, seed=seed)


def outcomes(scenario: Scenario, seed: int) -> list[Run]:
    """Run one roll-out under every rule."""
    one = experiment(margin=scenario.margin, waves=scenario.waves)
    found = list(RULES.values())
    return simulate(one, scenario.truth, found, population=scenario.population, days=scenario.days, seed=seed)


def row(scenario: Scenario, rule: str, runs: Sequence[Run]) -> str:
    """Return a row of the table; days are of those roll-outs that came to an end."""
    shares = [
        wilson(sum(run.status is status for run in runs), len(runs))
        for status in (Status.HALTED, Status.COMPLETE, Status.RUNNING)
    ]
    ended = [run.days for run in runs if run.status is not Status.RUNNING]
    days = f"{median(ended):g}" if ended else "–"
    error = f"missed harms {shown(shares[1])}" if scenario.is_harm else f"false halts {shown(shares[0])}"
    return f"| {scenario.name} | {rule} | {len(runs)} | {' | '.join(map(shown, shares))} | {days} | {error} |"


def shown(share: Interval) -> str:
    return f"{100 * share.value:.1f} % [{100 * share.low:.1f}, {100 * share.high:.1f}]"


if __name__ == "__main__":
    main()
