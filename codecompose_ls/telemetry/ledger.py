"""Ledger: the arithmetic that turns events into sums as they come; pure, the same for one user's file and a team's.

    change = apply(events, states=load(suggestions_of(events)), seen=ids_already_stored)

Whoever keeps the books stores `change.events`, replaces `change.states` and adds `change.counters` to its buckets, all
in one transaction. Whatever the order events come in, in whatever batches and however often, the buckets end up the
same: a suggestion's state depends on the set of its events alone, and a bucket changes by what the state is worth now
less what it was worth before. All sums are whole numbers, so adding them is exact in any order.

A request and typing count on their own day (UTC). What became of a suggestion counts, all of it, where and when it was
shown, so that no rate mixes the suggestions of two days.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timezone
from functools import lru_cache
from typing import NamedTuple

from codecompose_ls.telemetry import histogram
from codecompose_ls.telemetry.events import ASSISTS, FATES, Event, Kind

#: By name, as `_counted` and `_worth` below give them: `shown`, `filtered.repetition`, `latency.engine.107`.
Counters = Counter[str]

#: An edit similarity from which on an accepted text counts as kept (Ziegler et al. 2022: "mostly unchanged").
MOSTLY = 0.67
#: Similarities are summed up in millionths.
MILLION = 1_000_000

_RANKS = {"": -1, Kind.DISMISSED: 0, Kind.TYPED_OVER: 0, Kind.PARTLY_ACCEPTED: 1, Kind.ACCEPTED: 2}
_ENDS = {
    Kind.DISMISSED: "dismissed",
    Kind.TYPED_OVER: "typed_over",
    Kind.PARTLY_ACCEPTED: "partly_accepted",
    Kind.ACCEPTED: "accepted",
}
_LAST_SECOND = 253_402_300_799


class Key(NamedTuple):
    """What events have in common that are counted together; `day` is an ISO date in UTC."""

    day: str
    language: str = ""
    model: str = ""
    position: str = ""
    editor: str = ""
    cohort: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Bucket:
    """The sums of the events with one key."""

    key: Key
    counters: Counters
    #: Whose they are, where several people's are together and the key names nobody.
    people: frozenset[str] = frozenset()

    @property
    def users(self) -> Collection[str]:
        return self.people or (self.key.user,)


#: An event's place among those of its suggestion; clocks jump, so time has no say.
Order = tuple[int, str]


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a suggestion that was shown: a function of the set of its events."""

    key: Key
    #: Whether the key comes from something else than the news that it was shown, and from which event.
    key_of: tuple[bool, int, str]
    end: str = ""
    end_order: Order = (0, "")
    #: Code points, and in how many goes.
    accepted: int = 0
    acceptances: int = 0
    #: The first decision and its milliseconds.
    decision: tuple[int, str, float] | None = None
    #: By seconds since the acceptance, the latest look: similarity in millionths, code points.
    looks: dict[int, tuple[int, str, int, int]] = field(default_factory=dict)

    def dumps(self) -> str:
        """Return it as a line of JSON: its fields in their order."""
        return json.dumps([getattr(self, name) for name in _FIELDS], separators=(",", ":"))

    @classmethod
    def loads(cls, text: str) -> State:
        """Read a line of `dumps`; what a later version has added is left out. Raises ValueError for anything else."""
        try:
            key, key_of, end, end_order, accepted, acceptances, decision, looks = json.loads(text)[: len(_FIELDS)]
            return cls(
                Key(*key),
                tuple(key_of),
                end,
                tuple(end_order),
                accepted,
                acceptances,
                decision and tuple(decision),
                {int(after_s): tuple(look) for after_s, look in looks.items()},
            )
        except (AttributeError, TypeError) as error:
            raise ValueError(f"no state of a suggestion ({error})") from error


_FIELDS = tuple(item.name for item in fields(State))


@dataclass(frozen=True, slots=True)
class Change:
    """What a batch changes: events that are new, states as they are now, and what to add to the buckets."""

    events: tuple[Event, ...]
    states: dict[str, State]
    counters: dict[Key, Counters]


def suggestions_of(events: Iterable[Event]) -> set[str]:
    """Return the suggestions whose states `apply` needs for these events."""
    return {_suggestion(event) for event in events if event.kind in FATES}


def apply(events: Iterable[Event], *, states: Mapping[str, State], seen: Collection[str] = ()) -> Change:
    """Enter stamped events. `states` has those of `suggestions_of` that exist, `seen` the ids of events entered before;
    an id that comes twice counts once."""
    new: dict[str, Event] = {}
    for event in events:
        if event.id not in seen:
            new.setdefault(event.id, event)
    counters: dict[Key, Counters] = {}
    changed: dict[str, State] = {}
    for event in new.values():
        if event.kind in FATES:
            id = _suggestion(event)
            changed[id] = _entered(changed.get(id) or states.get(id), event)
        else:
            counters.setdefault(key_of(event), Counter()).update(_counted(event))
    for id, state in changed.items():
        if before := states.get(id):
            counters.setdefault(before.key, Counter()).subtract(_worth(before))
        counters.setdefault(state.key, Counter()).update(_worth(state))
    nonzero = {key: _without_zeros(sums) for key, sums in counters.items()}
    return Change(tuple(new.values()), changed, {key: sums for key, sums in nonzero.items() if sums})


def without_position(counters: Mapping[Key, Counters]) -> dict[Key, Counters]:
    """Add up what only positions tell apart: a quarter of the rows for whoever does not ask for them."""
    found: dict[Key, Counters] = {}
    for key, sums in counters.items():
        found.setdefault(key._replace(position=""), Counter()).update(sums)
    return found


def key_of(event: Event) -> Key:
    """Return where an event is counted."""
    position = event.position.value if event.position else ""
    day = _day(int(min(max(event.at, 0), _LAST_SECOND)) // 86_400)
    return Key(day, event.language, event.model, position, event.editor, event.cohort, event.user)


def _suggestion(event: Event) -> str:
    return event.suggestion or event.id


def _counted(event: Event) -> Counters:
    """Return what an event counts by itself."""
    kind = event.kind
    if kind is Kind.TYPED:
        return Counter(typed_characters=event.characters or 0)
    name = kind.value.replace(" ", "_")
    if kind in ASSISTS:
        return Counter({f"{name}.{event.source or ''}": 1})
    counted = Counter({name: 1})
    if kind is Kind.FILTERED:
        counted[f"filtered.{event.reason or ''}"] = 1
    if event.source is not None and event.latency_ms is not None:
        counted[f"latency.{event.source}.{histogram.bin_of(event.latency_ms)}"] = 1
    return counted


def _entered(state: State | None, event: Event) -> State:
    """Return a suggestion's state with one event more."""
    order = (event.sequence, event.id)
    key, place = key_of(event), (event.kind is not Kind.SHOWN, *order)
    if state is None:
        state = State(key, place)
    elif place < state.key_of:
        state = replace(state, key=key, key_of=place)
    if event.kind is Kind.RETAINED:
        return _looked_at(state, event)
    if event.kind is Kind.SHOWN:
        return state
    rank, best = _RANKS[event.kind], _RANKS[Kind(state.end)] if state.end else -1
    if rank > best or (rank == best and order < state.end_order):
        state = replace(state, end=event.kind.value, end_order=order)
    if event.decision_ms is not None and (state.decision is None or order < state.decision[:2]):
        state = replace(state, decision=(*order, event.decision_ms))
    if rank > 0:
        accepted = max(state.accepted, event.characters or 0)
        state = replace(state, accepted=accepted, acceptances=state.acceptances + 1)
    return state


def _looked_at(state: State, event: Event) -> State:
    after_s, order = event.after_s or 0, (event.sequence, event.id)
    known = state.looks.get(after_s)
    if known is not None and known[:2] > order:
        return state
    look = (*order, round((event.similarity or 0.0) * MILLION), event.characters or 0)
    return replace(state, looks={**state.looks, after_s: look})


def _worth(state: State) -> Counters:
    """Return what a suggestion counts."""
    worth: Counters = Counter()
    if state.end or not state.key_of[0]:
        # Whatever ends it says that it was shown.
        worth["shown"] = 1
    if state.end:
        worth[_ENDS[Kind(state.end)]] = 1
    worth["accepted_characters"], worth["acceptances"] = state.accepted, state.acceptances
    if state.decision is not None:
        milliseconds = state.decision[2]
        worth[f"decision.{histogram.bin_of(milliseconds)}"] = 1
        worth["accepted_decision_ms"] = round(milliseconds) if state.acceptances else 0
    for after_s, (_, _, similarity, characters) in state.looks.items():
        worth[f"retained.{after_s}.suggestions"] = 1
        worth[f"retained.{after_s}.similarity"] = similarity
        worth[f"retained.{after_s}.characters"] = characters
        worth[f"retained.{after_s}.accepted_characters"] = state.accepted
        worth[f"retained.{after_s}.mostly_unchanged"] = int(similarity >= MOSTLY * MILLION)
    if state.looks:
        worth["characters_retained"] = state.looks[max(state.looks)][3]
    return worth


def _without_zeros(sums: Counters) -> Counters:
    return Counter({name: value for name, value in sums.items() if value})


@lru_cache(maxsize=512)
def _day(days: int) -> str:
    return datetime.fromtimestamp(days * 86_400, timezone.utc).date().isoformat()
