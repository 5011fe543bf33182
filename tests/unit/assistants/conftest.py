"""A server for each test that asks for one, and a small project whose code assistants are asked about."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import pytest_asyncio

from codecompose_ls.assistants.carry_out import carry_out
from codecompose_ls.assistants.library import library
from codecompose_ls.assistants.outcome import Outcome
from codecompose_ls.assistants.task import Task
from codecompose_ls.backends.chat import Chat
from codecompose_ls.types import Document
from tests.http_server import HttpServer
from tests.repositories import Git

SOURCE = dedent("""\
    def half(number: int) -> float:
        return number / 2


    def send(amount):
        return amount
""")


@pytest_asyncio.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer() as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    git = Git(tmp_path / "project")
    git.commit({"half.py": SOURCE})
    return git.root


def task(
    name: str, root: Path | None, *, text: str = SOURCE, path: str = "half.py", at: int = 0, **more: object
) -> Task:
    uri = (root / path).as_uri() if root else f"untitled:{path}"
    return Task(library(root).find(name), Document(uri, path, "python", text), at, at, root=root, **more)  # type: ignore[arg-type]


async def run(asked: Task, chat: Chat | None = None, *, shown: list[str] | None = None, **more: Any) -> Outcome:
    shown = [] if shown is None else shown

    def show(text: str, by: str) -> None:
        shown.append(text)

    return await carry_out(asked, chat=chat, stop=threading.Event(), show=show, **more)
