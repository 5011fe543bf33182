"""Assistants over stdio: what is offered where, how answers come, and what becomes of their edits."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pygls.exceptions import JsonRpcException

from codecompose_ls.telemetry.database import default_path
from codecompose_ls.telemetry.summary import export
from tests.http_server import CUT, HANG, HttpServer, event, said, stream, talk, whole
from tests.lsp.editor import ABLE, Editor, editor
from tests.repositories import Git

SOURCE = """import sys


def double(number: int) -> int:
    return number + number  # TODO: multiply


print(double(int(sys.argv[1])))
"""
INSIDE = SOURCE.index("return")
BETTER = "def double(number: int) -> int:\n    return 2 * number  # TODO: multiply\n"
TOKEN = "ghp_" + "a1B2" * 9
EDITS = "refactor.rewrite.codecompose"


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(workspace: Path) -> AsyncIterator[tuple[Editor, HttpServer]]:
    """An able editor with a chat model, for the tests that need nothing else."""
    subprocess.run(["git", "init", "-q", str(workspace)], check=True)
    async with HttpServer() as chat, editor(workspace, chat) as session:
        yield session, chat


@pytest.fixture
def session(shared: tuple[Editor, HttpServer]) -> Editor:
    session, _ = shared
    session.replies["workspace/applyEdit"] = {"applied": True}
    session.asked.clear()
    session.notifications.clear()
    return session


@pytest.fixture
def chat(shared: tuple[Editor, HttpServer]) -> HttpServer:
    _, chat = shared
    chat.answers.clear()
    chat.asked.clear()
    chat.left.clear()
    return chat


@pytest_asyncio.fixture(loop_scope="session")
async def uri(session: Editor, workspace: Path, request: pytest.FixtureRequest) -> str:
    """A document of its own for each test."""
    return await session.open(workspace / f"{re.sub(r'[^a-z]+', '_', request.node.name)}.py", SOURCE, "python")


def able(**changes: Any) -> dict[str, Any]:
    """An able editor's capabilities with some replaced; None takes one away."""
    return {name: value for name, value in {**ABLE, **changes}.items() if value is not None}


def code(text: str) -> str:
    return f"Here you are:\n\n```python\n{text}```\n"


# What is offered.


async def test_each_built_in_assistant_is_offered_where_it_makes_sense(
    session: Editor, chat: HttpServer, uri: str
) -> None:
    plain = {
        "Explain": "codecompose.explain",
        "Potential problems": "codecompose.potential-problems",
        "Review": "codecompose.review",
        "Document pull request": "codecompose.document-pull-request",
        "Improve": f"{EDITS}.improve",
        "Add docstrings": f"{EDITS}.add-docstrings",
        "Add input checks": f"{EDITS}.add-input-checks",
        "Implement tests": f"{EDITS}.implement-tests",
    }
    todo = {"Complete the TODO": f"{EDITS}.complete-todo"}
    problem = {"Fix this problem": f"{EDITS}.fix-diagnostic"}
    line = SOURCE.index("def double")
    assert {title: action["kind"] for title, action in (await session.actions(uri, line)).items()} == plain
    offered = await session.actions(uri, INSIDE)
    assert {title: action["kind"] for title, action in offered.items()} == plain | todo
    assert all(action["tags"] == [1] and "disabled" not in action for action in offered.values())
    places = {"start": {"line": 4, "character": 4}, "end": {"line": 4, "character": 10}}
    diagnostics = [{"range": places, "message": "not typed", "source": "mypy"}]
    reported = await session.actions(uri, INSIDE, diagnostics=diagnostics)
    assert {title: action["kind"] for title, action in reported.items()} == plain | todo | problem
    (argument,) = reported["Fix this problem"]["command"]["arguments"]
    assert (argument["name"], argument["uri"], argument["version"]) == ("fix-diagnostic", uri, 1)
    assert [one["message"] for one in argument["diagnostics"]] == ["not typed"]

    assert chat.asked == []


async def test_without_a_chat_model_what_needs_one_says_how_to_set_one_up(tmp_path: Path) -> None:
    async with editor(tmp_path) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        offered = await session.actions(uri, INSIDE)
        disabled = {title for title, action in offered.items() if "disabled" in action}
        assert offered.keys() - disabled == {"Explain", "Add docstrings", "Add input checks"}
        assert "set 'chat' in your settings" in offered["Review"]["disabled"]["reason"]
        assert not any("tags" in action for action in offered.values())
        listed = await listing(session, uri)
        assert {one["title"] for one in listed if one["disabled"]} >= disabled
        with pytest.raises(
            JsonRpcException, match="'review' needs a chat model: set 'chat' in your settings"
        ) as raised:
            await session.assist("review", uri, INSIDE)
        assert raised.value.code == -32803


async def test_a_client_that_cannot_show_disabled_actions_gets_none(tmp_path: Path) -> None:
    resolves = {"codeAction": {"resolveSupport": {"properties": ["edit"]}}}
    async with editor(tmp_path, capabilities=able(textDocument=resolves)) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        offered = await session.actions(uri, INSIDE)
        assert offered.keys() == {"Explain", "Add docstrings", "Add input checks"}
        go = await session.open(tmp_path / "double.go", "package main\n\nfunc f() {\n}\n", "go")
        assert await session.actions(go, 20) == {}


async def test_settings_that_name_no_chat_model_are_the_reason(tmp_path: Path) -> None:
    wrong = [
        ({"chat": "ollama"}, "the backend 'ollama' needs the setting 'chat_model'"),
        ({"chat": "openai", "chatModel": "m", "chatUrl": "gpu:8000"}, "setting 'chat_url': the address of a model"),
        ({"chat": "local"}, "chat = 'local' needs the setting 'chat_model': a chat model's folder or name"),
        ({"chat": "local", "chatModel": "nowhere"}, "no model 'nowhere'"),
    ]
    async with editor(tmp_path) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        for settings, why in wrong:
            session.notify("workspace/didChangeConfiguration", {"settings": settings})
            assert (await session.actions(uri, INSIDE))["Review"]["disabled"]["reason"].startswith(why)
            with pytest.raises(JsonRpcException, match=f"^{re.escape(why)}"):
                await session.assist("review", uri, INSIDE)
            explained = await session.assist("explain", uri, INSIDE)
            assert explained["madeBy"] == "analysis" and f"did not answer: {why}" in explained["markdown"]


async def listing(session: Editor, uri: str) -> Any:
    params = {"command": "codecompose.assistants", "arguments": [{"uri": uri}]}
    return await session.raw_request("workspace/executeCommand", params)


async def test_a_menu_can_list_them(server: HttpServer, tmp_path: Path) -> None:
    async with editor(tmp_path, server, ignore=["hidden.py"]) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        listed = await listing(session, uri)
        assert {"name": "review", "title": "Review", "kind": "show", "disabled": ""} in listed
        assert {"name": "improve", "title": "Improve", "kind": "edit", "disabled": ""} in listed
        hidden = await session.open(tmp_path / "hidden.py", SOURCE, "python")
        assert await listing(session, hidden) == []
        assert await listing(session, "file:///nowhere.py") == []


@pytest.mark.parametrize("arguments", [[], [1], [{}], [{"name": 1}], [{"name": "explain", "uri": "file:///x.py"}]])
async def test_malformed_arguments_are_answered(arguments: list[Any], session: Editor) -> None:
    for command in ("codecompose.assist", "codecompose.explain"):
        with pytest.raises(JsonRpcException) as raised:
            await session.raw_request("workspace/executeCommand", {"command": command, "arguments": arguments})
        assert raised.value.code == -32602
    with pytest.raises(JsonRpcException, match=r"there is no command 'codecompose\.nothing'"):
        await session.raw_request("workspace/executeCommand", {"command": "codecompose.nothing"})


# How an answer comes.


async def test_an_answer_comes_in_pieces_and_whole_at_the_end(session: Editor, chat: HttpServer, uri: str) -> None:
    chat.answers.append(talk("It ", "doubles", " a number. 😀\n"))
    answer = await session.assist("explain", uri, INSIDE, partialResultToken="here", workDoneToken="bar")
    assert session.pieces("here") == ["It ", "doubles", " a number. 😀\n"]
    assert answer == {
        "name": "explain",
        "title": "Explain",
        "markdown": "".join(session.pieces("here")),
        "madeBy": f"chatty@{chat.url[7:]}",
        "applied": False,
        "refusal": "",
    }
    bar = [params["value"] for _, params in session.notifications if params.get("token") == "bar"]
    assert [value["kind"] for value in bar] == ["begin", "end"]
    assert (bar[0]["title"], bar[0]["cancellable"]) == ("Explain", True)
    assert "number + number" in str(chat.asked[0].body["messages"])
    assert "window/showMessage" not in [method for method, _ in session.notifications]


async def test_without_tokens_there_is_a_bar_of_the_servers_and_the_answer_is_shown(
    server: HttpServer, tmp_path: Path
) -> None:
    async with editor(tmp_path, server, capabilities=able(experimental=None)) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        server.answers.append(talk("It doubles."))
        command = (await session.actions(uri, INSIDE))["Explain"]["command"]
        arguments = {"command": command["command"], "arguments": command["arguments"]}
        assert (await session.raw_request("workspace/executeCommand", arguments))["markdown"] == "It doubles."
        assert (await session.wait_for("window/showMessage"))["message"] == "It doubles."
        assert "window/workDoneProgress/create" in [method for method, _ in session.asked]


@pytest.mark.parametrize("how", ["request", "given bar", "own bar"])
async def test_cancelling_hangs_up_on_the_server(how: str, session: Editor, chat: HttpServer, uri: str) -> None:
    chat.answers.append(stream(said("It goes on"), HANG))
    more = {"workDoneToken": "bar"} if how == "given bar" else {}
    asked = session.assist("explain", uri, INSIDE, id="ask", partialResultToken="here", **more)
    await session.wait_for("$/progress", lambda params: params["token"] == "here")
    if how == "request":
        session.cancel("ask")
    else:
        begun = await session.wait_for("$/progress", lambda params: params["value"]["kind"] == "begin")
        session.notify("window/workDoneProgress/cancel", {"token": begun["token"]})
    with pytest.raises(JsonRpcException) as raised:
        await asked
    assert raised.value.code == -32800
    await chat.left.wait()
    assert session.pieces("here") == ["It goes on"]
    await session.wait_for("$/progress", lambda params: params["value"]["kind"] == "end")
    chat.answers.append(talk("It doubles."))
    assert (await session.assist("explain", uri, INSIDE))["markdown"] == "It doubles."


async def test_suggestions_come_while_a_chat_model_answers(
    session: Editor, chat: HttpServer, uri: str, workspace: Path
) -> None:
    go_on = asyncio.Event()
    chat.answers.append(stream(said("It "), go_on, *talk("doubles.")[1:-1]))
    asked = session.assist("explain", uri, INSIDE, partialResultToken="here")
    await session.wait_for("$/progress", lambda params: params["token"] == "here")
    other = await session.open(workspace / "other.py", "#say hello\n", "python")
    assert len(await session.inline(other, 11, trigger="invoked")) == 1
    go_on.set()
    assert (await asked)["markdown"] == "It doubles."


# Edits.


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


# When the model server is not well.


async def failure(session: Editor, uri: str, name: str = "review") -> str:
    """Return the line that the user reads in place of an answer."""
    with pytest.raises(JsonRpcException) as raised:
        await session.assist(name, uri, INSIDE, partialResultToken="here")
    assert raised.value.code == -32803
    assert "\n" not in raised.value.message
    return str(raised.value.message)


async def answered(session: Editor, chat: HttpServer, uri: str) -> None:
    """See that the same server is asked again, and so is not held for one that is down."""
    chat.answers.append(talk("It doubles."))
    assert (await session.assist("review", uri, INSIDE))["markdown"] == "It doubles."


async def test_a_server_that_is_down_is_one_line_and_then_left_alone(
    session: Editor, chat: HttpServer, uri: str
) -> None:
    down = f"the model server at {chat.url}/v1 cannot be reached (Connection refused): is it running?"
    await chat.stop()
    assert await failure(session, uri) == down
    await chat.start()
    await answered(session, chat, uri)
    await chat.stop()
    for _ in range(3):
        assert await failure(session, uri) == down
    assert re.fullmatch(re.escape(down) + "; it is left alone for [345] s", await failure(session, uri))
    assert session.pieces("here") == []
    await chat.start()
    # With other settings it is another server.
    settings = {"chat": "openai", "chatUrl": f"{chat.url}/v1", "chatModel": "chatty", "index": False}
    session.notify("workspace/didChangeConfiguration", {"settings": {**settings, "chatContext": 4096}})
    await answered(session, chat, uri)
    session.notify("workspace/didChangeConfiguration", {"settings": settings})


async def test_a_server_that_is_slow_is_one_line(server: HttpServer, tmp_path: Path) -> None:
    async with editor(tmp_path, server, chatReadTimeoutMs=500) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        for steps, pieces in (((HANG,), []), ((said("It "), HANG), ["It "])):
            server.answers.append(stream(*steps))
            assert await failure(session, uri) == f"the model server at {server.url}/v1 has said nothing for 0.5 s"
            assert session.pieces("here") == pieces
            await server.left.wait()
        assert b"Traceback" not in session.log


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (whole(b"<html>hi</html>", kind="text/html"), "{at} answers nonsense: what it sends is no answer"),
        (stream(b"data: hello\n\n"), "the model server answers nonsense: what it sends is not JSON"),
        (whole([1]), "the model server answers nonsense: what it sends is not a JSON object"),
        (whole(b"", status=502), "{at} answers 502"),
    ],
)
async def test_a_server_that_answers_nonsense_is_one_line(
    answer: Any, line: str, session: Editor, chat: HttpServer, uri: str
) -> None:
    chat.answers.append(answer)
    assert await failure(session, uri) == line.format(at=f"the model server at {chat.url}/v1")
    assert session.pieces("here") == []
    await answered(session, chat, uri)


@pytest.mark.parametrize(
    ("steps", "line"),
    [
        ((CUT,), "broke off (peer closed connection without sending complete message body (incomplete chunked read))"),
        ((), "stopped in the midst of its answer"),
    ],
)
async def test_a_server_that_stops_in_the_midst_is_one_line_and_what_has_come_stays(
    steps: Any, line: str, session: Editor, chat: HttpServer, uri: str
) -> None:
    # Not even analysis stands in for an answer that somebody has begun to read.
    for name in ("review", "explain"):
        session.notifications.clear()
        chat.answers.append(stream(said("It "), said("dou"), *steps))
        assert await failure(session, uri, name) == f"the model server at {chat.url}/v1 {line}"
        assert session.pieces("here") == ["It ", "dou"]
    await answered(session, chat, uri)


async def test_analysis_stands_in_for_a_server_that_has_said_nothing(
    session: Editor, chat: HttpServer, uri: str
) -> None:
    why = f"The chat model did not answer: the model server at {chat.url}/v1 answers 500; "
    chat.answers += [whole(b"", status=500)] * 2
    answer = await session.assist("explain", uri, INSIDE, partialResultToken="here")
    assert why + "outlined by static analysis of this file alone." in answer["markdown"]
    assert (answer["madeBy"], session.pieces("here")) == ("analysis", [answer["markdown"]])
    answer = await session.assist("add-input-checks", uri, INSIDE)
    assert (answer["madeBy"], answer["applied"], answer["refusal"]) == ("analysis", True, "")
    (edit,) = session.edits
    (annotation,) = edit["changeAnnotations"].values()
    assert "by static analysis" in annotation["description"] and why[1:-2] in annotation["description"]
    assert "isinstance(number, int)" in str(edit["documentChanges"])
    await answered(session, chat, uri)


async def test_who_has_no_panel_is_told_that_analysis_stands_in(server: HttpServer, tmp_path: Path) -> None:
    await server.stop()
    before = len(list(export(default_path())))
    async with editor(tmp_path, server, capabilities=able(experimental=None)) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        assert (await session.assist("add-docstrings", uri, INSIDE))["applied"]
        shown = await session.wait_for("window/showMessage")
    at = f"the model server at {server.url}/v1 cannot be reached (Connection refused): is it running?"
    assert shown["message"] == f"the chat model did not answer: {at}; done by analysis"
    rows = [row for row in list(export(default_path()))[before:] if row["kind"].startswith("assist")]
    assert [(row["kind"], row["model"]) for row in rows] == [("assisted", "analysis"), ("assist applied", "analysis")]
    await server.start()


# What nobody else is to see, and what an answer cannot do.


async def test_what_is_secret_or_ignored_is_not_sent(server: HttpServer, tmp_path: Path) -> None:
    async with editor(tmp_path, server, ignore=["hidden.py"]) as session:
        for name, text, reason in (
            ("hidden.py", SOURCE, "ignored by settings"),
            (".env", SOURCE, "looks like a secret (.env)"),
            ("key.py", f"{SOURCE}\nKEY = '{TOKEN}'\n", "holds a secret"),
        ):
            uri = await session.open(tmp_path / name, text, "python")
            assert await session.actions(uri, INSIDE) == {}
            assert await failure(session, uri, "explain") == f"{name} is left alone: {reason}"
    assert server.asked == []


async def test_no_assistant_sees_what_is_ignored_or_secret(server: HttpServer, tmp_path: Path) -> None:
    """Every built-in assistant is asked where each part of its context has a neighbour that may not be read."""
    names = ("ignored", "excluded", "secret", "shown")
    text = "import os\n\n\ndef double(number: int) -> int:\n    # TODO: ask them\n    return number + number\n"
    text = text.replace("number + number", " + ".join(f"{name}_total(number)" for name in names))
    helpers = {name: f"def {name}_total(number):\n    return '{name}_mark', number\n" for name in names}
    git = Git(tmp_path)
    git.commit({"double.py": SOURCE, "shown.py": "", ".gitignore": "ignored*\ntest_double.py\n"})
    git.write(
        {
            "double.py": text,
            "shown.py": helpers["shown"],
            "ignored.py": helpers["ignored"],
            "excluded.py": helpers["excluded"],
            "secret.py": f"{helpers['secret']}KEY = '{TOKEN}'\n",
            ".env": "NAME=env_mark\n",
            "test_double.py": "def test_double():\n    assert 'tests_mark'\n",
        }
    )
    git("add", "--all", "--force")
    async with editor(tmp_path, server, ignore=["excluded.py"], index=True) as session:
        for name in ("shown.py", "ignored.py", "excluded.py", "secret.py"):
            await session.open(tmp_path / name, (tmp_path / name).read_text(), "python")
        uri = await session.open(tmp_path / "double.py", text, "python")
        await session.raw_request("test/index", {"built": True})
        range = {"start": {"line": 5, "character": 4}, "end": {"line": 5, "character": 10}}
        diagnostics = [{"range": range, "message": f"the key {TOKEN} is public", "source": "scan"}]
        refused = {}
        for one in await listing(session, uri):
            server.answers.append(talk("No."))
            try:
                await session.assist(one["name"], uri, text.index("return"), diagnostics=diagnostics)
            except JsonRpcException as error:
                refused[one["name"]] = error.message
                server.answers.clear()
    assert refused == {"implement-tests": f"{tmp_path / 'test_double.py'} is left alone: ignored by .gitignore"}
    prompts = [asked.body["messages"][0]["content"] for asked in server.asked]
    assert len(prompts) == 9
    said = "\n".join(prompts)
    assert TOKEN not in said and "the key ******** is public" in said
    assert set(re.findall(r"\w+_mark", said)) == {"shown_mark"}
    assert "Left out: 5 files that may not be read." in said


#: What would be a command, were an answer more than data.
COMMANDS = [
    "[Fix it](command:workbench.action.terminal.sendSequence?%7B%22text%22%3A%22rm%22%7D) ![](https://localhost/x)\n",
    '<img src=x onerror="alert(1)"> <a href="vscode://file/etc/passwd">here</a>\n',
    '\r\n\r\nContent-Length: 80\r\n\r\n{"jsonrpc":"2.0","method":"$/logTrace","params":{"message":"x"}}\n',
    '{"jsonrpc":"2.0","id":1,"method":"workspace/applyEdit","params":{"edit":{"changes":{}}}}\n',
    "\x1b]0;title\x07\x1b[2J\u202e$(reboot) `reboot` {{code}}\n",
]


async def test_an_answer_is_text_whatever_it_says(session: Editor, chat: HttpServer, uri: str) -> None:
    call = {
        "choices": [{"delta": {"tool_calls": [{"function": {"name": "run", "arguments": '{"command": "reboot"}'}}]}}]
    }
    chat.answers.append(stream(event(call), event({"method": "$/progress"}), *talk(*COMMANDS)[1:-1]))
    answer = await session.assist("explain", uri, INSIDE, partialResultToken="here")
    told = "".join(COMMANDS).replace("\r", "").replace("\x1b", "").replace("\x07", "").replace("\u202e", "")
    assert answer["markdown"] == told == "".join(session.pieces("here"))
    assert answer["applied"] is False
    told = {method for method, _ in (*session.asked, *session.notifications)}
    assert told <= {"$/progress", "didChangeStatus", "window/workDoneProgress/create"}


async def test_a_message_holds_no_link(server: HttpServer, tmp_path: Path) -> None:
    (tmp_path / ".codecompose.toml").write_text('"[free](command:x)" = 1\n')
    own = tmp_path / ".codecompose" / "assistants" / "[own](command:x).md"
    own.parent.mkdir(parents=True)
    own.write_text(OWN)
    async with editor(tmp_path, server, capabilities=able(experimental=None)) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        server.answers.append(talk("[Fix it](command:x) or [read](https://example.org)."))
        await session.assist("explain", uri, INSIDE)
        question = await session.wait_for("window/showMessageRequest")
        shown = [params["message"] for method, params in session.notifications if method == "window/showMessage"]
    assert "[own] (command:x)" in question["message"]
    assert "[Fix it] (command:x) or [read] (https://example.org)." in shown
    assert any("[free] (command:x)" in text for text in shown)


@pytest.mark.parametrize(
    "answer",
    [
        "```python title=/etc/passwd\n{code}```\n",
        "*** Update File: ../../outside.py\n```python\n{code}```\n",
        "--- a/../outside.py\n+++ b/../outside.py\n@@ -1 +1 @@\n-x\n+y\n",
        '{{"documentChanges": [{{"kind": "delete", "uri": "file:///etc/passwd"}}]}}',
        '{{"changes": {{"file:///etc/passwd": [{{"newText": "x"}}]}}}}',
        "```sh\nrm -rf /\n```\n",
    ],
)
async def test_an_edit_is_of_the_code_it_was_asked_for_and_of_nothing_else(
    answer: str, session: Editor, chat: HttpServer, uri: str
) -> None:
    for name in ("improve", "add-docstrings", "fix-diagnostic", "complete-todo"):
        chat.answers.append(talk(answer.format(code=BETTER)))
        places = {"start": {"line": 4, "character": 4}, "end": {"line": 4, "character": 10}}
        result = await session.assist(name, uri, INSIDE, diagnostics=[{"range": places, "message": "slow"}])
        assert bool(result["refusal"]) != result["applied"]
    for edit in session.edits:
        (change,) = edit["documentChanges"]
        assert change["textDocument"]["uri"] == uri and "kind" not in change
        assert all(3 <= one["range"]["start"]["line"] <= 5 for one in change["edits"])
        assert all(one["range"]["end"]["line"] <= 5 for one in change["edits"])


async def test_a_key_is_the_environments_or_the_keyrings_and_shown_nowhere(server: HttpServer, tmp_path: Path) -> None:
    key, other = "sk-unmistakable-0123456789", "sk-another-9876543210"
    (tmp_path / ".codecompose.toml").write_text(
        "".join(f'{name} = "{other}"\n' for name in ("api_key", "chat_api_key"))
    )
    (tmp_path / ".env").write_text(f"CODECOMPOSE_API_KEY={other}\n")
    for env in ({"CODECOMPOSE_API_KEY": key}, {"CODECOMPOSE_API_KEY": ""}):
        async with editor(tmp_path, server, env=env, logLevel="debug", apiKey=other) as session:
            uri = await session.open(tmp_path / "double.py", SOURCE, "python")
            server.answers.append(whole({"error": {"message": f"Incorrect API key provided: {key}"}}, status=401))
            line = await failure(session, uri)
            if env["CODECOMPOSE_API_KEY"]:
                assert line.endswith(
                    "refuses the API key (Incorrect API key provided: ***): set CODECOMPOSE_API_KEY or the keyring"
                )
                assert key.encode() not in session.log and key not in str(session.notifications)
            shown = [params["message"] for method, params in session.notifications if method == "window/showMessage"]
            assert len([text for text in shown if "api_key" in text or "apiKey" in text]) == 3
            assert other.encode() not in session.log and other not in str(session.notifications)
    assert [asked.headers.get("authorization") for asked in server.asked] == [f"Bearer {key}", None]


# A project's own.


OWN = '+++\ntitle = "Say it in Latin"\nkind = "show"\n+++\nExplain in Latin:\n\n{{code}}\n'


async def test_a_projects_assistants_run_once_it_is_trusted_and_that_is_asked_once(
    server: HttpServer, tmp_path: Path
) -> None:
    folder = tmp_path / ".codecompose" / "assistants"
    folder.mkdir(parents=True)
    (folder / "latin.md").write_text(OWN)
    async with editor(tmp_path, server) as session:
        session.replies["window/showMessageRequest"] = {"title": "Not now"}
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        for _ in range(2):
            assert "Say it in Latin" not in await session.actions(uri, INSIDE)
        question = await session.wait_for("window/showMessageRequest")
        assert "latin" in question["message"] and len(question["actions"]) == 2
        with pytest.raises(JsonRpcException, match="'latin' is the project's and not trusted yet"):
            await session.assist("latin", uri, INSIDE)
        assert [method for method, _ in session.asked].count("window/showMessageRequest") == 1
    async with editor(tmp_path, server) as session:
        session.replies["window/showMessageRequest"] = {"title": "Trust"}
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        while "Say it in Latin" not in await session.actions(uri, INSIDE):
            await session.wait_for("window/showMessageRequest")
        server.answers.append(talk("Duplicat."))
        assert (await session.assist("latin", uri, INSIDE))["markdown"] == "Duplicat."
    assert "Explain in Latin" in str(server.asked[-1].body)


# What is counted.


async def test_what_was_asked_applied_and_dismissed_is_counted_apart(server: HttpServer, tmp_path: Path) -> None:
    before = len(list(export(default_path())))
    async with editor(tmp_path, server) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        server.answers.append(talk("It doubles."))
        await session.assist("explain", uri, INSIDE)
        server.answers.append(talk(code(BETTER)))
        await session.assist("improve", uri, INSIDE)
        session.replies["workspace/applyEdit"] = {"applied": False}
        server.answers.append(talk(code(BETTER)))
        await session.assist("improve", uri, INSIDE)
        server.answers.append(stream(said("It goes on"), HANG))
        asked = session.assist("review", uri, INSIDE, id="ask", partialResultToken="here")
        await session.wait_for("$/progress", lambda params: params["token"] == "here")
        session.cancel("ask")
        with pytest.raises(JsonRpcException):
            await asked
    rows = [row for row in list(export(default_path()))[before:] if row["kind"].startswith("assist")]
    assert [(row["kind"], row["source"], row.get("reason")) for row in rows] == [
        ("assisted", "explain", None),
        ("assisted", "improve", None),
        ("assist applied", "improve", None),
        ("assisted", "improve", None),
        ("assist dismissed", "improve", "rejected"),
        ("assisted", "review", None),
        ("assist dismissed", "review", "cancelled"),
    ]
    assert {row["language"] for row in rows} == {"python"}
    assert {row["model"] for row in rows} == {f"chatty@{server.url[7:]}"}
    assert all(row["latency_ms"] > 0 for row in rows if row["kind"] == "assisted")


async def test_an_edit_by_analysis_is_counted_when_it_has_been_made(tmp_path: Path) -> None:
    before = len(list(export(default_path())))
    async with editor(tmp_path) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        offered = (await session.actions(uri, INSIDE))["Add input checks"]
        assert "command" not in offered
        action = await session.raw_request("codeAction/resolve", offered)
        assert action["edit"]
        command = {key: action["command"][key] for key in ("command", "arguments")}
        await session.raw_request("workspace/executeCommand", command)
        # What makes no sense is no news.
        for arguments in ([], ["nothing", uri], ["explain", 1]):
            await session.raw_request("workspace/executeCommand", {**command, "arguments": arguments})
    rows = [row for row in list(export(default_path()))[before:] if row["kind"].startswith("assist")]
    assert [(row["kind"], row["source"], row["model"]) for row in rows] == [
        ("assisted", "add-input-checks", "analysis"),
        ("assist applied", "add-input-checks", "analysis"),
    ]


async def test_an_assistant_that_cannot_be_used_is_said_once(tmp_path: Path) -> None:
    folder = tmp_path / "settings" / "assistants"
    folder.mkdir(parents=True)
    (folder / "broken.md").write_text("no front matter")
    async with editor(tmp_path, env={"CODECOMPOSE_CONFIG": str(folder.parent / "settings.toml")}) as session:
        uri = await session.open(tmp_path / "double.py", SOURCE, "python")
        for _ in range(2):
            assert "Explain" in await session.actions(uri, INSIDE)
        shown = [params["message"] for method, params in session.notifications if method == "window/showMessage"]
        assert len(shown) == 1 and "broken.md is not used: it must begin with front matter" in shown[0]
