"""What a model that is always right says reaches the editor as it is: triggers, stops and filters take nothing away."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from codecompose_ls.completion import Pipeline
from codecompose_ls.languages import TRIGGER_CHARACTERS, language_of
from codecompose_ls.settings import Settings
from codecompose_ls.types import CompletionRequest, Document
from tests.fakes import FakeBackend

ROOT = Path(__file__).parents[3]
SOURCES = ("codecompose_ls", "editors/vscode/src", "editors/nvim/lua")
FILES = sorted(
    path
    for folder in SOURCES
    for path in (ROOT / folder).rglob("*")
    # Of a file of one line, nothing would be left to go by.
    if language_of(path) and path.stat().st_size > 1000
)


def cursors(text: str) -> Iterator[tuple[int, int]]:
    """Yield (cursor, end of line) at a line's first character and after every trigger character."""
    for line in re.finditer(r"\S.*\S", text):
        yield line.span()
        for at in range(line.start() + 1, line.end()):
            if text[at - 1] in TRIGGER_CHARACTERS:
                yield at, line.end()


@pytest.mark.parametrize("goes_on", [False, True], ids=["ends there", "goes on"])
async def test_the_hidden_rest_of_a_line_arrives_unchanged(goes_on: bool) -> None:
    draw, lost, count = random.Random(0), [], 0
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        places = list(cursors(text))
        for cursor, end in draw.sample(places, min(4, len(places))):
            truth = text[cursor:end]
            backend = FakeBackend(text[cursor : end + 200] if goes_on else truth)
            document = Document(path.as_uri(), path.name, language_of(path) or "", text[:cursor] + text[end:])
            answer = await Pipeline(backend, Settings()).complete(CompletionRequest(document, cursor))
            count += 1
            if answer.suggestion is None or answer.suggestion.text.split("\n")[0] != truth:
                lost.append((path.name, truth, answer))
    assert count > 200
    assert len(lost) <= count * 0.01, lost
