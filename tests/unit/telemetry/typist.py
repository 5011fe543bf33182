"""A typist whose truth is known: types, accepts, rejects, pastes, undoes and waits; keeps the books as a bystander."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from itertools import count

from rapidfuzz.fuzz import ratio

from codecompose_ls.telemetry.events import Event
from codecompose_ls.types import Source
from tests.unit.telemetry.editor import Editor
from tests.unit.telemetry.known import MODELS, TEXTS, Asked, Given, Session, is_no_key, latency

WORD = re.compile(r"\W*\w+")
LOOKS_S = (30, 120, 300, 600)
#: Typing is told within so many seconds, and counts for the day on which it is: no session sees midnight but by a jump.
TOLD_S = 30
DAY = 86_400


class Typist:
    """Does what the test draws. `tells`: the client sends didShow and didPartiallyAccept; `commands`: it runs the
    accept command; `words_first`: it does so before the text."""

    def __init__(
        self, session: Session, record: Callable[[Event], None], *, tells: bool, commands: bool, words_first: bool
    ) -> None:
        self.session = session
        self.editor = Editor("x = ", record=record, language=session.language)
        self.editor.life.editor, self.editor.life.cohort = session.editor, session.cohort
        self.tells, self.commands, self.words_first = tells, commands, words_first
        self.asked: list[Asked] = []
        self.all: list[Given] = []
        #: Characters typed, by day and model, as told by the end.
        self.typed: Counter[tuple[str, str]] = Counter()
        self.model = ""
        self.live: Given | None = None
        self.left: Given | None = None
        self.seen = {self.editor.text}
        self.history: list[tuple[str, int]] = []
        #: For each character of the document, the suggestion that it was accepted with.
        self.owners: list[str | None] = [None] * len(self.editor.text)
        self.fresh = count(0x4E00)
        if tells:
            self.editor.life.drawn("a suggestion of an earlier life")

    @property
    def now(self) -> float:
        return self.editor.timer.now

    def day(self, at: float | None = None) -> str:
        """The day that the session's clock shows, now or at a time to come."""
        seconds = self.session.clock + (self.now if at is None else at)
        return datetime.fromtimestamp(seconds, timezone.utc).date().isoformat()

    def position(self) -> str:
        line, rest = self.editor.text[: self.editor.cursor].split("\n")[-1], self.editor.text[self.editor.cursor :]
        if not line.strip():
            return "line start"
        return "mid-line" if rest.split("\n")[0].strip() else "line end"

    def do(self, action: str, number: int) -> None:
        getattr(self, action)(number)

    def ask(self, number: int) -> None:
        position, text, cursor = self.position(), self.editor.text, self.editor.cursor
        if self.live is not None:
            given = self.live
            source = Source.TYPED_THROUGH if given.done else Source.CACHE
            self.answer(given, number, source=source)
        elif self.left is not None and self.left.place(text) == self.left.done and number % 2:
            # Given again from the cache, where it was left.
            source, given = Source.CACHE, self.left
            self.answer(given, number, source=source)
            self.come(given, number)
        else:
            source, model = Source.ENGINE if number % 3 else Source.JOINED, MODELS[number % len(MODELS)]
            given = Given(
                self.session,
                str(len(self.all)),
                TEXTS[number % len(TEXTS)],
                text[:cursor],
                text[cursor:],
                model,
                position,
            )
            self.all.append(given)
            self.answer(given, number, source=source)
            self.leave("dismissed")
            self.come(given, number)
        kind = "cached" if source in (Source.CACHE, Source.TYPED_THROUGH) else "generated"
        asked = Asked(self.session, self.day(), kind, given.model, position, source.value, latency_ms=latency(number))
        self.asked.append(asked)
        self.model = given.model

    def answer(self, given: Given, number: int, *, source: Source) -> None:
        self.editor.ask(given.rest, given.id, source=source, model=given.model, latency_ms=latency(number))

    def come(self, given: Given, number: int) -> None:
        given.come(self.now)
        self.live = given
        if not self.tells:
            given.drawn_at = self.now
        elif number % 4:
            self.draw(number)

    def draw(self, _: int) -> None:
        """Say that it is on the screen: at once, late, or again."""
        given = self.live
        if given is not None and self.tells:
            self.editor.life.drawn(given.id)
            given.drawn_at = self.now if given.drawn_at is None else given.drawn_at
            if not given.is_told:
                given.came_at, given.is_told = self.now, True

    def ask_in_vain(self, number: int) -> None:
        kind, reason = [
            ("empty", "empty"), ("filtered", "filtered:repetition"), ("filtered", "trigger:mid_word"),
            ("cancelled", "superseded"), ("failed", "failed"),
        ][number % 5]  # fmt: skip
        detail = {"filtered:repetition": "repetition", "trigger:mid_word": reason}.get(reason, "")
        self.asked.append(Asked(self.session, self.day(), kind, self.model, self.position(), reason=detail))
        self.editor.ask(None, reason=reason)
        if kind in ("empty", "filtered"):
            self.leave("dismissed")

    def wait(self, number: int) -> None:
        self.pass_time((0.1, 0.4, 0.75, 5, 40, 200, 700)[number % 7])

    def jump(self, number: int) -> None:
        """The computer's clock is set, by days and a little, forth or back."""
        self.pass_time(TOLD_S)
        self.session.clock += (number % 5 - 2) * DAY + number - 50

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        self.notice_shown(until)
        for given in self.all:
            for after_s in LOOKS_S:
                if given.accepted and self.now < given.accepted_at + after_s <= until:
                    self.look(given, after_s)
        self.editor.wait(seconds)

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
        if given is not None and (self.commands or self.tells or is_no_key(given.rest)):
            self.take(given, given.rest)

    def accept_word(self, _: int) -> None:
        given = self.live
        word = WORD.match(given.rest) if given is not None else None
        if given is not None and word is not None and (self.tells or is_no_key(word[0])):
            self.take(given, word[0])

    def dismiss(self, number: int) -> None:
        if self.tells and self.live is not None:
            reason = "rejected" if number % 3 else "ignored"
            self.editor.life.dismissed(self.live.id, reason)
            self.leave("dismissed", is_decision=reason == "rejected")

    def close(self) -> None:
        self.leave("dismissed")
        self.editor.life.close()

    def die(self) -> None:
        """The editor ends without a word; what was typed has been told by then."""
        self.pass_time(TOLD_S)

    # What becomes of it.

    def insert(self, text: str, *, typed: bool = True) -> None:
        self.history.append((self.editor.text, self.editor.cursor))
        self.own(self.editor.cursor, self.editor.cursor, len(text))
        self.editor.put(text)
        given = self.live
        if typed and self.editor.text not in self.seen:
            counted_before = (
                given is not None and given.place(self.editor.text) is not None and given.done < given.counted
            )
            self.typed[self.day(), self.model] += 0 if counted_before else len(text)
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
        self.notice_shown(self.now)
        new = max(0, given.done + len(text) - given.counted)
        before = given.done
        given.done += len(text)
        given.counted = max(given.counted, given.done)
        if new and given.end != "accepted":
            given.show(self.day())
            given.decide(self.now)
            given.accepted += new
            given.acceptances += 1
            given.end = "partly accepted" if given.rest else "accepted"
            given.first = given.counted - new if given.first is None else given.first
            given.last = given.counted
            self.stand(given)
        else:
            self.stand_again(given, before)
        if not given.rest:
            self.leave("typed over")
            self.left = None

    def stand(self, given: Given) -> None:
        """The accepted text stands in the document from now on."""
        assert given.first is not None
        given.accepted_text, given.accepted_at = given.text[given.first : given.last], self.now
        start = len(given.before)
        for at in range(start + given.first, start + given.last):
            self.owners[at] = given.id

    def stand_again(self, given: Given, before: int) -> None:
        """The accepted text, which had been taken back, may stand there again."""
        if given.first is not None and before < given.last <= given.done:
            self.stand(given)

    def say(self, given: Given, rest: int) -> None:
        if rest == 0 and (self.commands or self.tells):
            self.editor.life.accepted(given.id)
        elif self.tells:
            self.editor.life.partly_accepted(given.id, rest)

    def follow(self) -> None:
        self.seen.add(self.editor.text)
        if self.live is not None:
            place, before = self.live.place(self.editor.text), self.live.done
            if place is not None:
                self.live.done = place
                self.stand_again(self.live, before)
            if place is None or place == len(self.live.text):
                self.leave("typed over")
                self.left = None

    def leave(self, end: str, *, is_decision: bool = False) -> None:
        self.notice_shown(self.now)
        given = self.live
        if given is not None:
            if given.shown and not given.end:
                given.end = end
                if is_decision or end == "typed over":
                    given.decide(self.now)
            self.left, self.live = given, None

    def notice_shown(self, until: float) -> None:
        given = self.live
        if given is not None and given.drawn_at is not None and until - given.drawn_at >= 0.75 - 1e-9:
            given.show(self.day(given.drawn_at + 0.75))

    def own(self, start: int, end: int, length: int) -> None:
        self.owners[start:end] = [None] * length

    def look(self, given: Given, after_s: int) -> None:
        places = [at for at, owner in enumerate(self.owners) if owner == given.id]
        now = self.editor.text[places[0] : places[-1] + 1] if places else ""
        similarity = ratio(given.accepted_text, now) / 100
        given.looks[after_s] = similarity, round(similarity * given.accepted)
