"""Fill a team's database with sums, and measure its dashboard; prints the figures of docs/how-to/dashboard.md.

    python -m scripts.fill_team sqlite:////tmp/team.sqlite3 --people 300 --days 400 --measure

For measuring what reads it: the dashboard of `codecompose-ls serve`. There are sums alone, no events, as after
90 days. Each person works on five days of seven, in their own editor and two of the languages; a day's sums are drawn
from those of days that fill_telemetry.py makes up. The same seed gives the same sums.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import time
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from urllib.parse import parse_qsl

from sqlalchemy import Engine, insert, select

from codecompose_ls.service.dashboard.filters import Filters
from codecompose_ls.service.dashboard.page import render
from codecompose_ls.service.dashboard.view import View
from codecompose_ls.service.team import closing, database
from codecompose_ls.service.team.buckets import TeamSource
from codecompose_ls.telemetry.ledger import Counters, Key, apply, without_position
from scripts.fill_telemetry import COHORTS, EDITORS, LANGUAGES, MODELS, events

#: Events of one person in one language on a day; made-up days to draw from.
EVENTS_A_DAY, DRAWN_FROM = 400, 100
BATCH = 5_000
#: What is measured.
QUERIES = ("days=28", "days=90", "days=all", "days=all&by=position")

Sums = dict[Key, Counters]


def sums(*, people: int, days: int, seed: int = 1) -> Iterator[tuple[Key, Counters]]:
    """Yield the sums of each position, person by person."""
    source, today = random.Random(seed), date.today()
    drawn = [_made_up(number) for number in range(DRAWN_FROM)]
    for person in range(1, people + 1):
        editor, cohort = EDITORS[person % 2], COHORTS[person // 2 % 2]
        mine = source.sample(LANGUAGES, 2)
        for ago in range(days):
            if source.random() > 5 / 7:
                continue
            day, model = today - timedelta(days=ago), MODELS[min(2, (days - 1 - ago) * 3 // days)]
            for language in mine:
                for key, counters in source.choice(drawn).items():
                    yield Key(str(day), language, model, key.position, editor, cohort, f"{person:024x}"), counters


def fill(engine: Engine, told: Iterator[tuple[Key, Counters]]) -> int:
    """Enter sums into a new database, and return how many there are of all positions together."""
    count = 0
    while batch := dict(islice(told, BATCH)):
        with engine.begin() as connection:
            for table, rows in ((database.bucket, batch), (database.total, without_position(batch))):
                found = [{**key._asdict(), "counters": json.dumps(each)} for key, each in rows.items()]
                connection.execute(insert(table).prefix_with("OR IGNORE", dialect="sqlite"), found)
        count += len(found)
    return count


def _made_up(seed: int) -> Sums:
    """Return what a day of one person in one language comes to, by position."""
    told = islice(events(days=1, number=EVENTS_A_DAY, people=1, seed=seed), EVENTS_A_DAY)
    found: Sums = {}
    for key, counters in apply(told, states={}).counters.items():
        found.setdefault(Key("", position=key.position), type(counters)()).update(counters)
    return found


def measure(engine: Engine) -> None:
    """Close the days, and print what drawing the page for some periods takes, by an admin and by others."""
    start = time.process_time()
    closing.close_days(engine, today=date.today())
    print(f"closing: {time.process_time() - start:.1f} s of processor time")
    source = TeamSource(engine, tell_people=False)
    for query in QUERIES:
        filters = Filters.read(dict(parse_qsl(query)), today=date.today())
        for smallest_group in (1, 5):
            start = time.process_time()
            found = source(since=filters.first, until=filters.until, tell_positions=filters.by == "position")
            render(View(found, filters, (), smallest_group), today=date.today())
            print(f"{query}, groups of {smallest_group}: {len(found):,} sums, {time.process_time() - start:.2f} s")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{megabytes:.0f} MB of memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="sqlite:///FILE or postgresql://USER@HOST/NAME, of a new database")
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--days", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--measure", action="store_true", help="draw the page, too; a database with sums stays as it is"
    )
    args = parser.parse_args()
    engine = database.connect(args.url)
    with database.reading(engine) as connection:
        is_new = connection.execute(select(database.total.c.day).limit(1)).first() is None
    if is_new:
        start = time.perf_counter()
        count = fill(engine, sums(people=args.people, days=args.days, seed=args.seed))
        print(f"{count:,} sums of all positions together in {time.perf_counter() - start:.0f} s")
    if args.measure:
        measure(engine)


if __name__ == "__main__":
    main()
