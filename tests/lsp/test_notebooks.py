"""Notebooks: the cells around the cursor's join the context, the kernel is metadata."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from codecompose_ls.lsp.client.session import Session
from tests.lsp.conftest import fake

CELLS = ("import math\n", "#say sqrt(2)\nmath.", "# Results\n", "print(done)\n")
CODE, MARKUP = 2, 1


@pytest_asyncio.fixture(loop_scope="session")
async def session(workspace: Path) -> AsyncIterator[Session]:
    capabilities = {"notebookDocument": {"synchronization": {"dynamicRegistration": False}}}
    async with fake(root=workspace, capabilities=capabilities) as session:
        yield session


def cell_uri(number: int) -> str:
    return f"vscode-notebook-cell:/somewhere/analysis.ipynb#cell{number}"


def open_notebook(session: Session, uri: str, metadata: dict[str, Any]) -> None:
    cells = [{"kind": MARKUP if "Results" in text else CODE, "document": cell_uri(n)} for n, text in enumerate(CELLS)]
    documents = [
        {"uri": cell_uri(n), "languageId": "markdown" if "Results" in text else "python", "version": 1, "text": text}
        for n, text in enumerate(CELLS)
    ]
    notebook = {"uri": uri, "notebookType": "jupyter-notebook", "version": 1, "metadata": metadata, "cells": cells}
    session.notify("notebookDocument/didOpen", {"notebookDocument": notebook, "cellTextDocuments": documents})


async def inline(session: Session, number: int, line: int, character: int) -> dict[str, Any]:
    params = {
        "textDocument": {"uri": cell_uri(number)},
        "position": {"line": line, "character": character},
        "context": {"triggerKind": 1},
    }
    answer: dict[str, Any] = await session.raw_request("textDocument/inlineCompletion", params)
    return answer


async def seen(session: Session) -> dict[str, Any]:
    context: dict[str, Any] = (await session.raw_request("test/state"))["asked"][-1]
    return context


async def test_notebooks_of_every_type_are_synchronized(session: Session) -> None:
    selector = session.initialize_result["capabilities"]["notebookDocumentSync"]["notebookSelector"]
    assert selector == [{"notebook": "*", "cells": [{"language": "*"}]}]


async def test_code_cells_before_and_after_are_context_and_the_kernel_is_metadata(
    session: Session, workspace: Path
) -> None:
    uri = (workspace / "analysis.ipynb").as_uri()
    open_notebook(session, uri, {"metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}}})
    answer = await inline(session, 1, 1, 5)
    assert [item["insertText"] for item in answer["items"]] == ["sqrt(2)"]
    assert answer["items"][0]["range"]["start"] == {"line": 1, "character": 5}
    context = await seen(session)
    assert context["prefix"] == "import math\n#say sqrt(2)\nmath."
    assert context["suffix"] == "\nprint(done)\n"
    assert (context["path"], context["language"], context["kernel"]) == ("analysis.ipynb", "python", "python3")


async def test_changed_added_and_removed_cells_count(session: Session, workspace: Path) -> None:
    uri = (workspace / "analysis.ipynb").as_uri()
    open_notebook(session, uri, {"kernelspec": {"name": "ir"}})
    identifier = {"version": 2, "uri": cell_uri(0)}
    added = {"uri": cell_uri(9), "languageId": "python", "version": 1, "text": "added = 1"}
    start = {"line": 0, "character": 0}
    insertion = {"range": {"start": start, "end": start}, "text": "import os\n"}
    cells = {
        "structure": {
            "array": {"start": 3, "deleteCount": 1, "cells": [{"kind": CODE, "document": cell_uri(9)}]},
            "didOpen": [added],
            "didClose": [{"uri": cell_uri(3)}],
        },
        "textContent": [{"document": identifier, "changes": [insertion]}],
    }
    session.notify(
        "notebookDocument/didChange", {"notebookDocument": {"version": 2, "uri": uri}, "change": {"cells": cells}}
    )
    await inline(session, 1, 1, 5)
    context = await seen(session)
    assert context["prefix"] == "import os\nimport math\n#say sqrt(2)\nmath."
    assert context["suffix"] == "\nadded = 1"
    assert context["kernel"] == "ir"
    assert (await inline(session, 3, 0, 0))["items"] == []


async def test_a_closed_notebook_is_forgotten(session: Session, workspace: Path) -> None:
    uri = (workspace / "analysis.ipynb").as_uri()
    open_notebook(session, uri, {})
    assert len((await inline(session, 1, 1, 5))["items"]) == 1
    assert (await seen(session))["kernel"] is None
    closed = {"notebookDocument": {"uri": uri}, "cellTextDocuments": [{"uri": cell_uri(n)} for n in range(4)]}
    session.notify("notebookDocument/didClose", closed)
    assert (await inline(session, 1, 1, 5))["items"] == []


async def test_a_change_of_a_notebook_that_is_not_open_is_no_fault(session: Session) -> None:
    change = {"notebookDocument": {"version": 2, "uri": "file:///nowhere.ipynb"}, "change": {}}
    session.notify("notebookDocument/didChange", change)
    assert await session.raw_request("test/text", {"uri": "file:///nowhere.ipynb"}) is None
