"""Which places resemble the cursor's, told feature by feature on cases small enough to count by hand."""

from __future__ import annotations

from functools import partial
from math import log, log1p

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.index.candidates import NEAREST, NEXT_LINE, WEIGHTS, Allows, Candidates, Surroundings
from codecompose_ls.index.lexemes import END
from codecompose_ls.index.segment import Files, Segment
from codecompose_ls.index.workspace import Workspace

COLUMNS = list(WEIGHTS)


class Asked:
    """A cursor (`|`) in a document, beside the files of a workspace."""

    def __init__(self, document: str, **files: str) -> None:
        workspace = Workspace()
        vocabulary = workspace.vocabulary
        lexed = [(path.replace("__", "/") + ".py", vocabulary.encode(text)) for path, text in files.items()]
        self.workspace = Workspace(vocabulary, Segment.build(Files.of(lexed)))
        before, after = self.workspace.lexemes(*document.split("|"))
        view = self.workspace.view()
        self.surroundings = Surroundings(before, after, path="src/here.py", words=view.words, rarity=view.rarity)
        self.context = np.array(before, dtype=np.uint32)
        self.sources = view.sources

    def candidates(self, *, hidden: bool = False, allows: Allows = None) -> Candidates:
        sources = [(files, gone | hidden) for files, gone in self.sources]
        return self.surroundings.candidates(self.context, sources, allows=allows)

    def proposals(self, candidates: Candidates) -> list[str]:
        """Return what each candidate proposes."""
        return [self.workspace.vocabulary.texts[number] for number in candidates.proposed]

    def feature(self, candidates: Candidates, name: str) -> dict[str, float]:
        """Return a feature of each candidate that proposes something as it stands."""
        literal = candidates.exchange == END
        values = candidates.features[literal, COLUMNS.index(name)].tolist()
        return dict(
            zip([p for p, keep in zip(self.proposals(candidates), literal, strict=True) if keep], values, strict=True)
        )


def test_what_was_typed_lately_is_told_by_where_it_stands() -> None:
    workspace = Workspace()
    vocabulary = workspace.vocabulary
    workspace.recent.saw("src/here.py", "old(x.above)\n\nold(x.below)\n")
    workspace.recent.saw("src/there.py", "old(x.there)\n")
    workspace.update("src/there.py", "old(x.there)\nnew(x.elsewhere)\n")
    workspace.update("src/unseen.py", "any(x.unseen)\n")
    above, line, below = "old(x.above)\nnew(x.before)\n", "run(x.", "\nold(x.below)\nnew(x.after)\n"
    lines, begun, after = workspace.lexemes(above, line, below)
    view = workspace.view()
    surroundings = Surroundings(
        [*lines, *begun],
        after,
        path="src/here.py",
        words=view.words,
        rarity=view.rarity,
        fresh=workspace.fresh("src/here.py", above, below),
    )
    found = surroundings.candidates(np.array([*lines, *begun], dtype=np.uint32), view.without("src/here.py"))
    marked = {name: set() for name in WEIGHTS if name.startswith("fresh_")}
    for name, texts in marked.items():
        flags = found.features[:, COLUMNS.index(name)] == 1
        texts |= {vocabulary.texts[number] for number in found.proposed[flags]}
    assert marked == {
        "fresh_before_cursor": {"before"},
        "fresh_after_cursor": {"after"},
        "fresh_elsewhere": {"elsewhere"},
    }
    proposed = {vocabulary.texts[number] for number in found.proposed}
    assert proposed == {"above", "before", "below", "after", "there", "elsewhere", "unseen"}


def test_matches_are_counted_in_lexemes() -> None:
    asked = Asked("run(x.|", a="run(x.first)", b="go(x.second)")
    found = asked.candidates()
    # `\n run ( x .` stands in a; of b only `( x .` agrees.
    assert asked.feature(found, "match") == pytest.approx({"first": log(5), "second": log(3)})
    assert asked.feature(found, "match_4") == {"first": 1, "second": 0.75}
    assert asked.feature(found, "match_line") == {"first": 1, "second": 0}


def test_words_may_be_exchanged() -> None:
    asked = Asked("self.left = left\nself.right = |\n")
    found = asked.candidates()
    # `\n self . left _ = _` agrees loosely with the cursor's line, one word exchanged; so `left` may become `right`.
    assert "right" in asked.proposals(found)
    assert asked.feature(found, "loose_match")["left"] == pytest.approx(log(7))
    assert asked.feature(found, "exchanges")["left"] == pytest.approx(1 / 6)
    assert asked.feature(found, "word_after_exchange")["left"] == 1
    exchanged = found.features[found.exchange != END]
    assert (exchanged[:, COLUMNS.index("exchanged")] == 1).all()


def test_places_in_the_document_know_their_side_and_distance() -> None:
    asked = Asked("f(first)\nf(|\nf(second)\n")
    found = asked.candidates()
    assert asked.feature(found, "before_cursor") == {"first": 1, "second": 0}
    assert asked.feature(found, "after_cursor") == {"first": 0, "second": 1}
    # END \n f ( first ) \n f ( <- the cursor is 5 lexemes after the first bracket
    assert asked.feature(found, "distance")["first"] == pytest.approx(log1p(5) / 5)
    assert asked.feature(found, "same_folder") == {"first": 0, "second": 0}


def test_files_know_their_folder() -> None:
    asked = Asked("f(|", src__a="f(near)", lib__b="f(far)")
    found = asked.candidates()
    assert asked.feature(found, "same_folder") == {"near": 1, "far": 0}
    assert asked.feature(found, "other_folder") == {"near": 0, "far": 1}


def test_the_next_line_is_compared() -> None:
    asked = Asked("f(|\nclose(left)\n", a="f(first)\nclose(left)\n", b="f(second)\nclose(right)\n", c="f(third)\nx\n")
    found = asked.candidates()
    shares = [asked.feature(found, name) for name in ("next_line", "whole_next_line", "next_line_begins")]
    assert [share["first"] for share in shares] == pytest.approx([5 / NEXT_LINE, 1, 1])
    assert [share["second"] for share in shares] == pytest.approx([2 / NEXT_LINE, 0, 1])
    assert [share["third"] for share in shares] == [0, 0, 0]


def test_rare_words_around_count_more_than_frequent_ones() -> None:
    files = {"a": "rare = 1\nf(first)\n", "b": "common = 1\nf(second)\n", "c": "common\n" * 200}
    asked = Asked("common + rare\nf(|", **files)
    similar = asked.feature(asked.candidates(), "similar_before")
    assert similar["first"] > similar["second"] > 0


def test_hidden_files_do_not_count() -> None:
    asked = Asked("f(|", a="f(first)")
    assert asked.proposals(asked.candidates()) == ["first"]
    assert asked.proposals(asked.candidates(hidden=True)) == []


def test_what_may_not_come_next_is_left_out() -> None:
    asked = Asked("f(|", a="f(first)\nf(fourth)\nf(second)\n")
    found = asked.candidates(allows=partial(asked.workspace.vocabulary.begin_with, "f"))
    assert sorted(set(asked.proposals(found))) == ["first", "fourth"]


@given(st.lists(st.sampled_from(["a", "b", "(", ")", ".", " ", "\n", "x1"]), min_size=1, max_size=60), st.data())
def test_candidates_are_where_the_last_lexeme_stands_and_never_the_cursor(
    parts: list[str], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(parts)))
    asked = Asked("".join(parts[:cut]) + "|" + "".join(parts[cut:]), a="".join(parts))
    cursor = len(asked.context)
    found = asked.candidates()
    assert np.isfinite(found.features).all()
    for number, files in enumerate(found.sources):
        places = found.places[found.source == number]
        assert (files.tokens[places] == asked.context[-1]).all()
        assert (files.tokens[places + 1] != END).all()
    assert cursor not in found.places[found.source == 0]


@given(st.lists(st.sampled_from(["a", "b", "(", ".", " ", "\n", "x1"]), min_size=1, max_size=40), st.data())
def test_other_sources_change_nothing_about_a_candidate(parts: list[str], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(parts)))
    asked = Asked("".join(parts[:cut]) + "|" + "".join(parts[cut:]), a="".join(parts), b="".join(parts[::-1]))
    alone, together = asked.surroundings.candidates(asked.context, []), asked.candidates()
    here = together.source == 0
    assert together.places[here].tolist() == alone.places.tolist()
    assert (together.features[here] == alone.features).all()
    assert together.proposed[here].tolist() == alone.proposed.tolist()


def test_the_nearest_places_are_candidates_however_little_they_match() -> None:
    asked = Asked("a." * 800 + "|" + "b." * 800)
    found = asked.candidates()
    (document, *_), cursor = found.sources, len(asked.context)
    dots = [place for place in np.flatnonzero(document.tokens == asked.context[-1]).tolist() if place != cursor]
    assert {*sorted(dots, key=lambda place: abs(place - cursor))[:NEAREST]} <= {*found.places.tolist()}


def test_a_line_goes_on_with_the_word_exchanged_wherever_it_stands() -> None:
    asked = Asked("self.left = left\nself.right = |\n", a="x = right\n")
    found = asked.candidates()
    numbers = np.flatnonzero(found.exchange != END)
    lines = found.lines(numbers, length=3)
    assert asked.workspace.vocabulary.decode(lines[0].tolist()).startswith("right\n")
