"""Arms take away what they say they do, and nothing else."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from codecompose_ls.errors import InputError
from codecompose_ls.evaluation.arms import Arm, NarrowedBackend, arm_of, switches
from codecompose_ls.evaluation.hidden_lines import Case, Kind
from codecompose_ls.evaluation.projects import Project
from codecompose_ls.types import Context, Sampling
from tests.fakes import FakeBackend


@pytest.mark.parametrize(
    ("name", "arm"),
    [
        ("full", Arm()),
        ("no-suffix", Arm(suffix=False)),
        ("no-metadata", Arm(metadata=False)),
        ("no-index", Arm(index=False)),
        ("no-snippets", Arm(snippets=False)),
        ("full+snippets", Arm(snippets=True)),
        ("no-index+snippets", Arm(index=False, snippets=True)),
        ("no-session", Arm(session=False)),
        ("prefix", Arm(suffix=False, metadata=False, index=False, session=False, snippets=False)),
        ("prefix+suffix", Arm(metadata=False, index=False, session=False, snippets=False)),
        ("prefix+metadata+suffix+index+session+snippets", Arm(snippets=True)),
    ],
)
def test_arms_by_name(name: str, arm: Arm) -> None:
    assert arm_of(name) == arm


def test_every_switch_has_an_arm_without_it_and_one_with_it_alone() -> None:
    for switch in switches():
        assert not getattr(arm_of(f"no-{switch}"), switch)
        assert [name for name in switches() if getattr(arm_of(f"prefix+{switch}"), name)] == [switch]


@pytest.mark.parametrize("name", ["", "+suffix", "no-", "no-path", "prefix+", "prefix+all", "suffix", "Full"])
def test_an_unknown_arm_says_which_there_are(name: str) -> None:
    with pytest.raises(InputError, match=r"there are floor, full, no-suffix, .*prefix"):
        arm_of(name)


def test_without_a_suffix_the_case_ends_at_the_cursor() -> None:
    case = Case(Project("p", Path("/nowhere"), ()), "a.py", "python", Kind.MID_LINE, "x = \ny\n", 4, "1")
    assert Arm(suffix=False).view(case).text == "x = "
    assert Arm(metadata=False).view(case) == case


async def test_without_metadata_the_backend_is_told_neither_language_nor_path() -> None:
    asked = FakeBackend("1")
    context = Context("python", "src/a.py", "x = ", "\ny", kernel="python3")
    narrowed = NarrowedBackend(asked, Arm(metadata=False))
    pieces = [piece.text async for piece in narrowed.stream(context, Sampling(), stop=Event())]
    await narrowed.warm(context)
    assert "".join(pieces) == "1"
    assert asked.asked[0].context == asked.warmed[0] == Context("", "", "x = ", "\ny")
    assert (narrowed.model, narrowed.window_chars, narrowed.idle) == (asked.model, asked.window_chars, asked.idle)
    narrowed.close()
    assert not asked.is_closed


def test_snippets_are_the_models_to_say_unless_the_arm_does() -> None:
    backend = FakeBackend(window_chars=(700, 300))
    assert [Arm(snippets=told).snippet_chars(backend) for told in (None, True, False)] == [0, 250, 0]
    backend.snippet_chars = 400
    assert [Arm(snippets=told).snippet_chars(backend) for told in (None, True, False)] == [400, 400, 0]
    assert NarrowedBackend(backend, Arm()).snippet_chars == 400


def test_without_the_index_the_backend_cannot_find_the_document() -> None:
    context = Context("python", "a.py", "x = ", "\ny", uri="file:///a.py", before="x = ", after="\ny")
    assert Arm(index=False).context(context) == Context("python", "a.py", "x = ", "\ny")
    assert Arm().context(context) == context
