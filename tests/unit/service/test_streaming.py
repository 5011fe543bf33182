"""Text up to a stop string, however it is cut into pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.service.streaming import until
from codecompose_ls.types import Piece

text = st.text("ab\n", max_size=12)


async def pieces(texts: list[str]) -> AsyncGenerator[Piece, None]:
    for place, text in enumerate(texts):
        yield Piece(text, -1.0, "length" if place == len(texts) - 1 else None)


@given(st.lists(text, min_size=1, max_size=8), st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3))
def test_the_text_ends_where_the_first_stop_string_begins(texts: list[str], stops: list[str]) -> None:
    async def collect() -> list[Piece]:
        return [piece async for piece in until(stops, pieces(texts))]

    found = asyncio.run(collect())
    whole = "".join(texts)
    said = "".join(piece.text for piece in found)
    if not any(stop in whole for stop in stops):
        assert (said, found[-1].finish, len(found)) == (whole, "length", len(texts))
    else:
        assert found[-1].finish == "stop" and not any(stop in said for stop in stops)
        assert whole.startswith(said) and any(whole[len(said) :].startswith(stop) for stop in stops)
    assert all(piece.finish is None for piece in found[:-1])
