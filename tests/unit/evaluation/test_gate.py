"""The gate opens for weights that are better on unseen lines, and says why where it stays closed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

pytest.importorskip("scipy")

from codecompose_ls.evaluation.gate import (
    Contest,
    Verdict,
    gate_cases,
    held_out_source,
    retention_cases,
    verdict,
)
from codecompose_ls.evaluation.head_to_head import head_to_head
from codecompose_ls.evaluation.history import replay
from codecompose_ls.evaluation.projects import project_at
from codecompose_ls.evaluation.results import Outcome
from codecompose_ls.index.repository import Repository
from codecompose_ls.settings import Settings
from codecompose_ls.tuning.replay import GeneralCode
from tests.models import tiny_model
from tests.repositories import Git, module
from tests.unit.evaluation.test_head_to_head import outcome

NOUNS = ("basket", "customer", "delivery", "engine", "folder", "graph", "header", "journal")


def answers(*, gain: float = 0.0, hits: int = 0, n: int = 40, files: int = 8) -> list[Outcome]:
    return [
        outcome(str(number), file=str(number % files), hit=number < hits, logprob=-1 + gain * (1 + number % files))
        for number in range(n)
    ]


def test_likelier_text_and_as_many_exact_matches_pass() -> None:
    found = verdict(answers(hits=4), answers(hits=4, gain=0.1), measured_at="f00")

    assert found.passed and found.reasons == ()
    assert found.lines.p_value == pytest.approx(1 / 2**8)
    assert "gate passed: exact match 0.100 against the base's 0.100, likelihood +0.450 nats a token" in str(found)
    assert "p = 0.0039 (n = 40 lines of 8 files)" in str(found)


def test_fewer_exact_matches_do_not_pass_however_likely_the_text() -> None:
    found = verdict(answers(hits=5), answers(hits=4, gain=0.1), measured_at="f00")

    assert found.reasons == ("fewer lines are exactly right",)
    assert str(found).startswith("gate not passed (fewer lines are exactly right): exact match 0.100 against")


def test_text_that_is_no_likelier_does_not_pass() -> None:
    assert verdict(answers(), answers(), measured_at="f00").reasons == (
        "the hidden text is not significantly likelier",
    )
    assert not verdict(answers(), answers(gain=-0.1, hits=9), measured_at="f00").passed


def test_one_line_lost_altogether_outweighs_many_small_gains() -> None:
    tuned = answers(gain=0.01, n=80, files=40)
    tuned[0] = outcome("0", file="0", logprob=-100.0)

    found = verdict(answers(n=80, files=40), tuned, measured_at="f00")

    assert found.lines.p_value < 0.05 and found.lines.gain.value < 0
    assert found.reasons == ("the hidden text is not significantly likelier",)


def test_too_few_lines_prove_nothing() -> None:
    found = verdict(answers(n=19), answers(n=19, gain=0.1), measured_at="f00")

    assert found.reasons == ("19 lines to ask for are too few, it takes 20",)


def test_a_verdict_survives_json() -> None:
    general = head_to_head(answers(), answers(gain=-0.1))
    kept = verdict(answers(), answers(gain=0.1), measured_at="f00", retention=general)

    value = json.loads(json.dumps(kept.to_json()))

    assert Verdict.from_json(value) == kept
    assert (value["passed"], value["measured_at"], value["n"]) == (True, "f00", 40)


def test_cases_come_from_as_many_files_as_possible(tmp_path: Path) -> None:
    git = Git(tmp_path / "shop")
    since = git.commit({"cart.py": module("cart")})
    git.commit({f"{noun}.py": module(noun) for noun in NOUNS})
    source = replay(Repository(git.root), since, name="shop").source

    few, many = gate_cases(source, most=16), gate_cases(source, most=80)

    assert len(few) == 16 and len({case.path for case in few}) == 8
    assert len(many) > 40 and gate_cases(source, most=80) == many


def test_files_held_out_are_asked_for_and_not_known(tmp_path: Path) -> None:
    for noun in ("cart", *NOUNS):
        (tmp_path / f"{noun}.py").write_text(module(noun) + "import json\n")

    source = held_out_source(project_at(tmp_path, name="shop"), ["cart.py", "graph.py"])

    assert source.asked.files == ("cart.py", "graph.py")
    assert set(source.workspace.files) == {f"{noun}.py" for noun in NOUNS if noun != "graph"}
    assert source.lines is not None
    # `import json` is known, the class is not.
    assert 2 in source.lines["cart.py"] and module("cart").count("\n") not in source.lines["cart.py"]


async def test_two_models_answer_the_same_cases_once(tmp_path: Path) -> None:
    for noun in NOUNS:
        (tmp_path / "general" / f"{noun}.py").parent.mkdir(exist_ok=True)
        (tmp_path / "general" / f"{noun}.py").write_text(module(noun))
    code = GeneralCode("general", tmp_path / "general", tuple(f"{noun}.py" for noun in NOUNS))
    cases = retention_cases([code], most=24)
    base, tuned = tiny_model(tmp_path / "base"), tiny_model(tmp_path / "tuned", seed=1)
    seen: list[tuple[int, int]] = []

    with Contest(base, tuned, settings=Settings(max_tokens=4)) as contest:
        first = await contest.ask(
            cases, until=time.monotonic(), index=False, watch=lambda done, total: seen.append((done, total))
        )
        again = await contest.ask(cases, until=time.monotonic() + 60, index=False)

    # Out of time from the start, it asks for the fewest that prove anything; what was asked is not asked again.
    assert [len(side) for side in first] == [20, 20] and seen[-1] == (20, 24)
    assert [len(side) for side in again] == [24, 24]
    assert again[0][:20] == first[0] and again[1][:20] == first[1]
    assert [one.case for one in first[0]] == [one.case for one in first[1]]
    assert verdict(*again, measured_at="").lines.tokens > 24
