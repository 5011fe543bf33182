"""What nobody else is to see, and what an answer cannot do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pygls.exceptions import JsonRpcException

from tests.http_server import HttpServer, event, stream, talk, whole
from tests.lsp.assistants.conftest import (
    BETTER,
    INSIDE,
    OWN,
    SOURCE,
    TOKEN,
    able,
    failure,
    listing,
)
from tests.lsp.editor import Editor, editor
from tests.repositories import Git


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
