"""What other files of the workspace say reaches a model that knows several files, over stdio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from codecompose_ls.lsp.client.session import Session
from tests.http_server import HttpServer, event, stream
from tests.models import tiny_model

SHOP = "class Basket:\n    def add_item(self, item, *, amount=1):\n        self.items.append((item, amount))\n"
ASKED = "from shop import Basket\n\nbasket = Basket()\nbasket.add_item("
#: Requests until the workspace is indexed, at most.
TRIES = 400


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer() as server:
        yield server


async def test_definitions_of_the_names_in_use_are_sent_and_secret_files_are_not(
    server: HttpServer, workspace: Path
) -> None:
    root = workspace / "market"
    root.mkdir()
    (root / "shop.py").write_text(SHOP, encoding="utf-8")
    (root / "keys.py").write_text(f"{SHOP}token = 'ghp_{'a1B2' * 9}'\n", encoding="utf-8")
    options = {
        "backend": "llamacpp",
        "backendUrl": server.url,
        "backendFallback": False,
        "model": str(tiny_model(workspace / "tiny")),
        "speculate": False,
    }
    async with Session.start(root=root, options=options) as session:
        # What is empty is not kept, so every request by hand is sent.
        server.answers.extend([stream(event({"content": "", "stop": True}))] * 3 * TRIES)
        uri = await session.open(root / "asked.py", ASKED, "python")
        sent = []
        for _ in range(TRIES):
            await session.inline(uri, len(ASKED), trigger="invoked")
            sent = [one.body["input_extra"] for one in server.asked if one.method == "POST"]
            if sent and sent[-1]:
                break
    assert sent[-1] == [
        {"filename": "shop.py", "text": "class Basket:\n    def add_item(self, item, *, amount=1):"},
    ]
