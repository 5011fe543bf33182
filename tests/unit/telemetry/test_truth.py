"""A typist whose truth is known: whatever they do, the summary says exactly that."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from rapidfuzz.fuzz import ratio

from codecompose_ls.telemetry.metrics import Metrics
from codecompose_ls.telemetry.store import Store
from codecompose_ls.telemetry.summary import summary
from codecompose_ls.types import Source
from tests.unit.telemetry.editor import Editor

TEXTS = ["value", "print(x)", "()", ")", "foo(bar, baz)", "if x:\n    return y", "a", "name = other.name"]
WORD = re.compile(r"\W*\w+")
LOOKS_S = (30, 120, 300, 600)


@dataclass
class Given:
    """A suggestion as the typist knows it: where it was given, how far it is in the document, what it came to."""

    id: str
    text: str
    before: str
    after: str
    done: int = 0
    #: How far its characters have been counted, by whichever way they came first.
    counted: int = 0
    drawn_at: float | None = None
    shown: bool = False
    end: str = ""
    accepted: int = 0
    acceptances: int = 0
    first: int | None = None
    accepted_text: str = ""
    accepted_at: float = 0.0

    @property
    def rest(self) -> str:
        return self.text[self.done :]

    def place(self, document: str) -> int | None:
        """How much of it the document has, None when they have parted."""
        sizes = range(len(self.text) + 1)
        return next((n for n in reversed(sizes) if document == self.before + self.text[:n] + self.after), None)


@dataclass
class Typist:
    """Types, accepts, rejects, pastes, undoes and waits; keeps the books as a bystander would."""

    editor: Editor
    #: Whether the client sends didShow and didPartiallyAccept, whether it runs the accept command, and in which order.
    tells: bool
    commands: bool
    words_first: bool
    requests: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    typed: int = 0
    all: list[Given] = field(default_factory=list)
    live: Given | None = None
    left: Given | None = None
    seen: set[str] = field(default_factory=set)
    history: list[tuple[str, int]] = field(default_factory=list)
    #: For each character of the document, the suggestion that it was accepted with.
    owners: list[str | None] = field(default_factory=list)
    looks: dict[tuple[str, int], tuple[float, int]] = field(default_factory=dict)
    fresh: count[int] = field(default_factory=lambda: count(0x4E00))

    def __post_init__(self) -> None:
        self.seen.add(self.editor.text)
        self.owners = [None] * len(self.editor.text)
        if self.tells:
            self.editor.life.drawn("a suggestion of an earlier life")

    # What a typist does.

    def do(self, action: str, number: int) -> None:
        getattr(self, action)(number)

    def ask(self, number: int) -> None:
        if self.live is not None:
            source = Source.TYPED_THROUGH if self.live.done else Source.CACHE
            self.editor.ask(self.live.rest, self.live.id, source=source)
        elif self.left is not None and self.left.place(self.editor.text) == self.left.done and number % 2:
            # Given again from the cache, where it was left.
            source, self.live = Source.CACHE, self.left
            self.editor.ask(self.live.rest, self.live.id, source=source)
            self.live.drawn_at = None
            self.draw(number)
        else:
            source = Source.ENGINE if number % 3 else Source.JOINED
            text, cursor = self.editor.text, self.editor.cursor
            given = Given(str(len(self.all)), TEXTS[number % len(TEXTS)], text[:cursor], text[cursor:])
            self.all.append(given)
            self.editor.ask(given.text, given.id, source=source)
            self.live = given
            self.draw(number)
        self.requests["cached" if source in (Source.CACHE, Source.TYPED_THROUGH) else "generated"] += 1
        self.sources[source.value] += 1

    def draw(self, number: int) -> None:
        assert self.live is not None
        if not self.tells:
            self.live.drawn_at = self.editor.timer.now
        elif number % 4:
            self.editor.life.drawn(self.live.id)
            self.live.drawn_at = self.editor.timer.now

    def ask_in_vain(self, number: int) -> None:
        kind, reason = [
            ("empty", "empty"), ("filtered", "filtered:repetition"), ("cancelled", "superseded"), ("failed", "failed")
        ][number % 4]  # fmt: skip
        self.editor.ask(None, reason=reason)
        self.requests[kind] += 1
        if kind in ("empty", "filtered"):
            self.leave("dismissed")

    def wait(self, number: int) -> None:
        until = self.editor.timer.now + (0.1, 0.4, 0.75, 5, 40, 200, 700)[number % 7]
        self.notice_shown(until)
        for given in self.all:
            for after_s in LOOKS_S:
                if given.accepted and self.editor.timer.now < given.accepted_at + after_s <= until:
                    self.look(given, after_s)
        self.editor.wait(until - self.editor.timer.now)

    def type_through(self, _: int) -> None:
        if self.live is not None:
            self.insert(self.live.rest[0])

    def type_other(self, _: int) -> None:
        self.insert(chr(next(self.fresh)))

    def new_line(self, _: int) -> None:
        self.insert("\n  " + chr(next(self.fresh)))

    def paste(self, number: int) -> None:
        long, lines = "x" * 32, "\n\n"
        self.insert(chr(next(self.fresh)) + (long if number % 2 else lines), typed=False)

    def backspace(self, _: int) -> None:
        if self.editor.cursor:
            self.history.append((self.editor.text, self.editor.cursor))
            self.own(self.editor.cursor - 1, self.editor.cursor, 0)
            self.editor.put("", before=1)
            self.follow()

    def undo(self, _: int) -> None:
        if self.history:
            text, cursor = self.history.pop()
            before = self.editor.text
            head = next(
                (n for n, (a, b) in enumerate(zip(before, text, strict=False)) if a != b), min(len(before), len(text))
            )
            tail = 0
            while tail < min(len(before), len(text)) - head and before[-1 - tail] == text[-1 - tail]:
                tail += 1
            self.own(head, len(before) - tail, len(text) - tail - head)
            self.editor.replace(text)
            self.editor.cursor = cursor
            self.follow()

    def reload(self, _: int) -> None:
        text = f"{chr(next(self.fresh))}\n\n\n{chr(next(self.fresh))}"
        self.own(0, len(self.editor.text), len(text))
        self.editor.replace(text)
        self.history.clear()
        self.follow()

    def accept(self, _: int) -> None:
        given = self.live
        if given is not None and (self.commands or self.tells or self.is_no_key(given.rest)):
            self.take(given, given.rest)

    def accept_word(self, _: int) -> None:
        given = self.live
        word = WORD.match(given.rest) if given is not None else None
        if given is not None and word is not None and (self.tells or self.is_no_key(word[0])):
            self.take(given, word[0])

    def dismiss(self, _: int) -> None:
        if self.tells and self.live is not None:
            self.editor.life.dismissed(self.live.id, "rejected")
            self.leave("dismissed")

    # What becomes of it.

    @staticmethod
    def is_no_key(text: str) -> bool:
        return len(text) > 1 and text != "()"

    def insert(self, text: str, *, typed: bool = True) -> None:
        self.history.append((self.editor.text, self.editor.cursor))
        self.own(self.editor.cursor, self.editor.cursor, len(text))
        self.editor.put(text)
        given = self.live
        if typed and self.editor.text not in self.seen:
            counted_before = (
                given is not None and given.place(self.editor.text) is not None and given.done < given.counted
            )
            self.typed += 0 if counted_before else len(text)
        self.follow()
        if given is not None:
            given.counted = max(given.counted, given.done)

    def take(self, given: Given, text: str) -> None:
        """Accept so much of the rest; the client's words come before or after the text, if at all."""
        rest = len(given.rest) - len(text)
        self.history.append((self.editor.text, self.editor.cursor))
        if self.words_first:
            self.say(given, rest)
        self.own(self.editor.cursor, self.editor.cursor, len(text))
        self.editor.put(text)
        self.seen.add(self.editor.text)
        if not self.words_first:
            self.say(given, rest)
        self.notice_shown(self.editor.timer.now)
        new = max(0, given.done + len(text) - given.counted)
        given.done += len(text)
        given.counted = max(given.counted, given.done)
        if new and given.end != "accepted":
            given.shown = True
            given.accepted += new
            given.acceptances += 1
            given.end = "partly accepted" if given.rest else "accepted"
            given.first = given.counted - new if given.first is None else given.first
            given.accepted_text = given.text[given.first : given.counted]
            given.accepted_at = self.editor.timer.now
            start = len(given.before)
            for at in range(start + given.first, start + given.counted):
                self.owners[at] = given.id
        if not given.rest:
            self.leave("typed over")
            self.left = None

    def say(self, given: Given, rest: int) -> None:
        if rest == 0 and (self.commands or self.tells):
            self.editor.life.accepted(given.id)
        elif self.tells:
            self.editor.life.partly_accepted(given.id, rest)

    def follow(self) -> None:
        self.seen.add(self.editor.text)
        if self.live is not None:
            place = self.live.place(self.editor.text)
            if place is not None:
                self.live.done = place
            if place is None or place == len(self.live.text):
                self.leave("typed over")
                self.left = None

    def leave(self, end: str) -> None:
        self.notice_shown(self.editor.timer.now)
        if self.live is not None:
            if self.live.shown and not self.live.end:
                self.live.end = end
            self.left, self.live = self.live, None

    def notice_shown(self, now: float) -> None:
        given = self.live
        if given is not None and given.drawn_at is not None and now - given.drawn_at >= 0.75 - 1e-9:
            given.shown = True

    def own(self, start: int, end: int, length: int) -> None:
        self.owners[start:end] = [None] * length

    def look(self, given: Given, after_s: int) -> None:
        places = [at for at, owner in enumerate(self.owners) if owner == given.id]
        now = self.editor.text[places[0] : places[-1] + 1] if places else ""
        similarity = ratio(given.accepted_text, now) / 100
        self.looks[given.id, after_s] = similarity, round(similarity * given.accepted)


ACTIONS = [
    "ask", "ask", "ask", "ask_in_vain", "wait", "type_through", "type_through", "type_other", "new_line", "paste",
    "backspace", "undo", "reload", "accept", "accept", "accept_word", "accept_word", "dismiss",
]  # fmt: skip


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@hypothesis.given(
    tells=st.booleans(),
    commands=st.booleans(),
    words_first=st.booleans(),
    actions=st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 100)), min_size=10, max_size=60),
)
def test_the_summary_is_the_truth(
    tells: bool, commands: bool, words_first: bool, actions: list[tuple[str, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "telemetry.sqlite3"
        store = Store(path, report=print, now=lambda: 1e9)
        typist = Typist(Editor("x = ", record=store.record), tells, commands, words_first)
        for action, number in actions:
            typist.do(action, number)
        typist.leave("dismissed")
        typist.editor.life.close()
        store.close(timeout_s=60)
        check(summary(path), typist)


def check(told: Metrics, typist: Typist) -> None:
    ends = Counter(given.end for given in typist.all if given.end)
    shown = sum(given.shown for given in typist.all)
    accepted_characters = sum(given.accepted for given in typist.all)
    written = accepted_characters + typist.typed
    assert {name: getattr(told, name) for name in typist.requests} == dict(typist.requests)
    assert told.requested == sum(typist.requests.values())
    assert told.filtered_by == ({"repetition": typist.requests["filtered"]} if typist.requests["filtered"] else {})
    assert told.shown == shown
    assert {
        "accepted": told.accepted,
        "partly accepted": told.partly_accepted,
        "dismissed": told.dismissed,
        "typed over": told.typed_over,
    } == {end: ends[end] for end in ("accepted", "partly accepted", "dismissed", "typed over")}
    assert told.shown == sum(ends.values())
    assert told.acceptance_rate == (ends["accepted"] / shown if shown else None)
    assert told.accepted_characters == accepted_characters
    assert told.typed_characters == typist.typed
    assert told.percent_code_typed == (accepted_characters / written if written else None)
    assert told.keystrokes_saved == accepted_characters - sum(given.acceptances for given in typist.all)
    assert {source: latency.requests for source, latency in told.latency_ms.items()} == dict(typist.sources)
    latest = {
        id: (after_s, kept) for (id, after_s), (_, kept) in sorted(typist.looks.items(), key=lambda item: item[0][1])
    }
    assert told.characters_retained == sum(kept for _, kept in latest.values())
    for after_s in LOOKS_S:
        looks = [look for (_, at), look in typist.looks.items() if at == after_s]
        figures = told.retained.get(after_s)
        assert (figures.suggestions if figures else 0) == len(looks)
        if figures:
            assert figures.characters == sum(kept for _, kept in looks)
            assert abs(figures.edit_similarity - sum(similarity for similarity, _ in looks) / len(looks)) < 1e-6
