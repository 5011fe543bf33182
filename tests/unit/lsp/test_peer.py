"""The peer of `bench typing` does what it is said to do: the same network, everything prefilled anew, prefix first."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from codecompose_ls.inference import session as inference
from codecompose_ls.lsp.client import peer as peers
from codecompose_ls.lsp.client.peer import Peer
from codecompose_ls.models.model import Array, load_model
from codecompose_ls.types import Document

TEXT = "def greet(name: str) -> str:\n    return f'hello {name}'\n"
DOCUMENT = Document("file:///greet.py", "greet.py", "python", TEXT)
NEVER = threading.Event()


class Counting(inference.Session):
    """A session that remembers how many tokens it was fed at once."""

    fed: list[int]

    def feed(self, ids: Sequence[int], *, rows: int = 1) -> Array:
        self.__dict__.setdefault("fed", []).append(len(ids))
        return super().feed(ids, rows=rows)


@pytest.fixture
def peer(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Peer:
    monkeypatch.setattr(peers, "Session", Counting)
    return Peer(tiny)


def fed(peer: Peer) -> list[int]:
    assert isinstance(peer._session, Counting)
    return peer._session.fed


def test_every_key_feeds_the_whole_prompt_anew(peer: Peer) -> None:
    for offset in (30, 31, 31):
        prompt = peer.prompt(DOCUMENT, offset)
        before = len(peer._session.tokens) and len(fed(peer))
        peer.complete(DOCUMENT, offset)
        assert fed(peer)[before] == len(prompt.token_ids) > 20


def test_the_logits_are_those_of_a_session_that_keeps_what_it_was_fed(peer: Peer, tiny: Path) -> None:
    keeping = inference.Session(load_model(tiny))
    for offset in range(30, 36):
        prompt = peer.prompt(DOCUMENT, offset)
        expected, found = keeping.prefill(prompt.token_ids, stop=NEVER), peer.prefill(prompt)
        # One token or many at a time are rounded differently, and eight bits amplify that.
        assert float(np.sqrt(((found - expected) ** 2).mean()) / expected.std()) < 0.1
        assert found[expected.argmax()] >= np.sort(found)[-3]


def test_the_prompt_has_the_prefix_before_the_suffix(peer: Peer) -> None:
    ids, encode = list(peer.prompt(DOCUMENT, 30).token_ids), peer._tokenizer.encode
    assert ids[-1] == peer._tokenizer.token_id("<|fim_middle|>")
    suffix = ids.index(peer._tokenizer.token_id("<|fim_suffix|>"))
    assert ids[suffix - len(encode(TEXT[:30])) : suffix] == encode(TEXT[:30])
    assert ids[suffix + 1 : -1] == encode(TEXT[30:])


def test_the_answer_is_one_line(peer: Peer) -> None:
    assert "\n" not in peer.complete(DOCUMENT, 30)
