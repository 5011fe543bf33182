"""What becomes of an edit: confirmed, bound to a version, refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.http_server import HttpServer, said, stream, talk
from tests.lsp.assistants.conftest import BETTER, INSIDE, SOURCE, able, code, listing
from tests.lsp.editor import Editor, editor


async def test_an_edit_is_to_be_confirmed_and_bound_to_the_version(session: Editor, chat: HttpServer, uri: str) -> None:
    chat.answers.append(talk(code(BETTER)))
    answer = await session.assist("improve", uri, INSIDE, partialResultToken="here")
    assert (answer["applied"], answer["refusal"], answer["markdown"]) == (True, "", code(BETTER))
    (edit,) = session.edits
    (change,) = edit["documentChanges"]
    assert change["textDocument"] == {"uri": uri, "version": 1}
    (text_edit,) = change["edits"]
    assert text_edit["newText"] == "    return 2 * number  # TODO: multiply"
    assert text_edit["range"] == {"start": {"line": 4, "character": 0}, "end": {"line": 4, "character": 44}}
    annotation = edit["changeAnnotations"][text_edit["annotationId"]]
    assert (annotation["label"], annotation["needsConfirmation"]) == ("Improve", True)
    assert "chatty@" in annotation["description"]
    assert [params["label"] for method, params in session.asked if method == "workspace/applyEdit"] == ["Improve"]


@pytest.mark.parametrize("can", [{"documentChanges": True}, {}])
async def test_a_client_that_cannot_ask_gets_a_plain_edit(
    can: dict[str, bool], server: HttpServer, tmp_path: Path
) -> None:
    capabilities = able(workspace={"applyEdit": True, "workspaceEdit": can}, experimental=None)
    async with editor(tmp_path, server, capabilities=capabilities) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        server.answers.append(talk(code(BETTER)))
        assert (await session.assist("improve", uri, INSIDE))["applied"] is True
        (edit,) = session.edits
        assert "changeAnnotations" not in edit
        (text_edit,) = edit["documentChanges"][0]["edits"] if can else edit["changes"][uri]
        assert text_edit.keys() == {"range", "newText"}
        # It is to be seen in the document.
        assert "window/showMessage" not in [method for method, _ in session.notifications]


async def test_a_client_that_takes_no_edits_gets_the_text_and_the_reason(server: HttpServer, tmp_path: Path) -> None:
    async with editor(tmp_path, server, capabilities=able(workspace=None, experimental=None)) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        server.answers.append(talk(code(BETTER)))
        answer = await session.assist("improve", uri, INSIDE)
        assert (answer["applied"], answer["markdown"]) == (False, code(BETTER))
        assert answer["refusal"] == "this editor does not let a server edit (workspace/applyEdit)"
        shown = [params["message"] for method, params in session.notifications if method == "window/showMessage"]
        assert shown == [answer["markdown"], answer["refusal"]]


@pytest.mark.parametrize(
    ("verdict", "refusal"),
    [
        ({"applied": False}, "you did not take the edit; it can be offered again"),
        ({"applied": False, "failureReason": "read-only"}, "the editor could not make the edit: read-only"),
        (None, "the editor could not make the edit: the client's answer makes no sense"),
    ],
)
async def test_the_editor_says_whether_it_was_applied(
    verdict: Any, refusal: str, session: Editor, chat: HttpServer, uri: str
) -> None:
    session.replies["workspace/applyEdit"] = verdict
    chat.answers.append(talk(code(BETTER)))
    answer = await session.assist("improve", uri, INSIDE)
    assert (answer["applied"], answer["refusal"]) == (False, refusal)


async def test_a_document_that_changes_meanwhile_is_not_edited(session: Editor, chat: HttpServer, uri: str) -> None:
    go_on = asyncio.Event()
    chat.answers.append(stream(said("Better:\n"), go_on, *talk(code(BETTER))[1:-1]))
    asked = session.assist("improve", uri, INSIDE, partialResultToken="here")
    await session.wait_for("$/progress", lambda params: params["token"] == "here")
    session.change(uri, 0, 0, "# new\n")
    await listing(session, uri)  # what comes later is answered later
    go_on.set()
    answer = await asked
    assert (answer["applied"], session.edits) == (False, [])
    assert answer["refusal"].startswith("the document has changed meanwhile")
    assert "return 2 * number" in answer["markdown"]
    # Nor is it asked about a place of an older version.
    late = await session.assist("improve", uri, INSIDE, version=1)
    assert (late["applied"], late["markdown"]) == (False, "")
    assert late["refusal"].startswith("the document has changed meanwhile")
    assert len(chat.asked) == 1


async def test_an_answer_that_is_no_edit_is_shown_and_refused(session: Editor, chat: HttpServer, uri: str) -> None:
    chat.answers.append(talk(code("def double(number: int -> int:\n")))
    answer = await session.assist("improve", uri, INSIDE)
    assert answer["refusal"] and not answer["applied"] and not session.edits
    assert "def double(number: int ->" in answer["markdown"]


async def test_tests_go_into_a_file_of_their_own(server: HttpServer, tmp_path: Path) -> None:
    tests = "from double import double\n\n\ndef test_it_doubles() -> None:\n    assert double(2) == 4\n"
    (tmp_path / "double.py").write_text(SOURCE)
    (tmp_path / "tests").mkdir()
    async with editor(tmp_path, server) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        server.answers.append(talk(code(tests)))
        answer = await session.assist("implement-tests", uri, INSIDE)
        assert (answer["applied"], answer["refusal"]) == (True, "")
        created, change = session.edits[0]["documentChanges"]
        assert (created["kind"], created["uri"]) == ("create", change["textDocument"]["uri"])
        assert created["uri"].endswith("test_double.py")
        assert "def test_it_doubles" in change["edits"][0]["newText"]
    plain = able(workspace={"applyEdit": True, "workspaceEdit": {"documentChanges": True}})
    async with editor(tmp_path, server, capabilities=plain) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        server.answers.append(talk(code(tests)))
        answer = await session.assist("implement-tests", uri, INSIDE)
        assert answer["refusal"] == "this editor cannot be asked to create a file, as test_double.py"
