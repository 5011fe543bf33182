"""A task is carried out by a chat model or by analysis: shown as it comes, checked before it is offered."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from codecompose_ls.assistants.assistant import parse
from codecompose_ls.assistants.carry_out import carry_out
from codecompose_ls.assistants.outcome import Outcome, results
from codecompose_ls.assistants.task import Diagnostic, Task
from codecompose_ls.backends.chat import RemoteChat
from codecompose_ls.backends.connect import connect_chat
from codecompose_ls.errors import BackendError, Cancelled, InputError
from codecompose_ls.settings import Settings
from codecompose_ls.types import Document
from tests.http_server import HANG, HttpServer, event, stream, whole
from tests.repositories import Git
from tests.scripted_chat import ScriptedChat
from tests.unit.assistants.conftest import SOURCE, run, task

EDITED = "```python\ndef half(number: int) -> float:\n    return number * 0.5\n```"
KEY = "ghp_" + "a1B2" * 10


def talk(*texts: str, finish: str | None = "stop") -> list[bytes]:
    said = [event({"choices": [{"delta": {"content": text}, "finish_reason": None}]}) for text in texts]
    ended = [event({"choices": [{"delta": {}, "finish_reason": finish}]}), b"data: [DONE]\n\n"] if finish else []
    return [*said, *ended]


def remote(server: HttpServer) -> RemoteChat:
    chat = connect_chat(Settings(chat="openai", chat_url=f"{server.url}/v1", chat_model="tiny"))
    assert isinstance(chat, RemoteChat)
    return chat


async def test_a_text_is_shown_as_it_comes(root: Path) -> None:
    shown: list[str] = []
    outcome = await run(task("explain", root), ScriptedChat("It halves a number.", piece=5), shown=shown)
    assert shown == ["It ha", "lves ", "a num", "ber.", ""]
    assert outcome == Outcome("It halves a number.", made_by="scripted")


async def test_an_edit_is_checked_and_says_who_made_it(root: Path) -> None:
    outcome = await run(task("improve", root), ScriptedChat(EDITED))
    assert results(outcome.edits) == {root / "half.py": SOURCE.replace("/ 2", "* 0.5")}
    assert (outcome.refusal, outcome.made_by, outcome.description) == ("", "scripted", "Improve: by scripted")


@pytest.mark.parametrize("finish", ["length", None])
async def test_a_cut_off_answer_is_no_edit(root: Path, finish: str | None) -> None:
    outcome = await run(task("improve", root), ScriptedChat(EDITED, finish=finish))
    assert not outcome.edits and outcome.refusal == "the answer was cut off" and outcome.markdown == EDITED
    shown = await run(task("explain", root), ScriptedChat("It", finish=finish))
    assert shown.markdown == "It\n\n*The answer was cut off.*\n"


async def test_what_fails_the_check_is_shown_with_the_reason(root: Path) -> None:
    outcome = await run(task("improve", root), ScriptedChat("```python\ndef other(): ...\n```"))
    assert not outcome.edits and "does not define 'half'" in outcome.refusal and "def other" in outcome.markdown


async def test_an_answer_of_nothing_is_said_so(root: Path) -> None:
    assert (await run(task("explain", root), ScriptedChat(""))).markdown == "*The model has said nothing.*\n"
    assert (await run(task("improve", root), ScriptedChat("<think>hm"))).refusal == "the model has said nothing"


async def test_an_endless_answer_ends(root: Path) -> None:
    outcome = await run(task("improve", root), ScriptedChat("x" * 50_000, piece=1000))
    assert outcome.refusal == "the answer was cut off" and len(outcome.markdown) < 40_000


async def test_a_longer_code_may_have_a_longer_answer(root: Path) -> None:
    chat = ScriptedChat("", context=32_768)
    await run(task("improve", root), chat)
    await run(task("improve", root, text="def half():\n" + "    number()\n" * 500), chat)
    assert chat.sampled[1].max_tokens - chat.sampled[0].max_tokens > 3000


async def test_code_that_does_not_fit_is_said_so(root: Path) -> None:
    long = "def half():\n" + "    number()\n" * 500
    with pytest.raises(InputError, match=r"the code is 6,511 characters long, of which [\d,]+ would fit: select less"):
        await run(task("improve", root, text=long), ScriptedChat(context=2000))


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        (".env.py", SOURCE, "looks like a secret"),
        ("ignored.py", SOURCE, "ignored by .gitignore"),
        ("out/half.py", SOURCE, "ignored by settings"),
        ("half.py", f"{SOURCE}\nKEY = '{KEY}'\n", "holds a secret"),
        ("half.py", SOURCE + "\0", "binary"),
        ("half.py", SOURCE + "#" * 1_000_001, "larger than 1 MB"),
    ],
)
async def test_what_may_not_be_read_reaches_no_prompt(root: Path, path: str, text: str, reason: str) -> None:
    (root / ".gitignore").write_text("ignored.py\n")
    path = path.replace(".env.py", ".ssh/id.py")
    chat = ScriptedChat("no")
    with pytest.raises(InputError, match=reason):
        await run(task("explain", root, text=text, path=path, ignore=("out/",)), chat)
    assert not chat.asked


async def test_a_document_that_was_never_saved_can_be_asked_about() -> None:
    chat = ScriptedChat("Yes.")
    assert (await run(task("explain", None), chat)).markdown == "Yes." and "def half" in chat.asked[0]
    with pytest.raises(InputError, match=r"save half\.py first"):
        await run(task("implement-tests", None), chat)


async def test_a_diff_holds_no_file_that_may_not_be_read(root: Path) -> None:
    (root / "half.py").write_text(SOURCE.replace("/ 2", "* 0.5"))
    git = Git(root)
    git("add", "--force", *git.write({"key.py": f"KEY = '{KEY}'\n", ".env": "A=1\n", "blob.py": b"\0\1"}))
    chat = ScriptedChat("A change.")
    await run(task("document-pull-request", root), chat)
    (prompt,) = chat.asked
    assert "number * 0.5" in prompt and "Left out: 3 files that may not be read." in prompt
    assert KEY not in prompt and "key.py" not in prompt and ".env" not in prompt


async def test_what_is_needed_and_missing_is_said_in_one_line(root: Path, tmp_path: Path) -> None:
    for name, message in {
        "fix-diagnostic": "no problem is reported there",
        "complete-todo": "there is no TODO or FIXME in this code",
        "document-pull-request": "nothing has changed|no changes",
    }.items():
        git = Git(tmp_path / name)
        git.commit({})
        with pytest.raises(InputError, match=message):
            await run(task(name, git.root), ScriptedChat())


async def test_nothing_is_asked_where_no_code_is_meant(root: Path) -> None:
    with pytest.raises(InputError, match="select the code that is meant"):
        await run(task("improve", root, text="\n\n"), ScriptedChat())


# With a server


async def test_a_server_is_asked_and_sees_no_secret(root: Path, server: HttpServer) -> None:
    server.answers.append(stream(*talk("It ", "fails.")))
    shown: list[str] = []
    said = (Diagnostic(0, 4, f"the token {KEY} is public", "scan"),)
    chat = remote(server)
    outcome = await run(task("potential-problems", root, diagnostics=said), chat, shown=shown)
    await chat.client.aclose()
    assert outcome.markdown == "It fails." and outcome.made_by == f"tiny@{server.url.removeprefix('http://')}"
    assert "".join(shown) == "It fails."
    (asked,) = server.asked
    (message,) = asked.body["messages"]
    assert message["role"] == "user" and "def half" in message["content"]
    assert KEY not in str(asked.body) and "the token ******** is public" in message["content"]


async def test_a_selection_is_masked_where_it_only_looks_like_holding_a_secret(root: Path, server: HttpServer) -> None:
    """What is surely one keeps the whole file away (above)."""
    secrets = ("hunter2", "pX3kQ9vLm2Zt8RwN", "4dK9wq1XzP7bN2")
    text = f'{SOURCE}PASSWORD = "{secrets[0]}"\nCURL = "curl -u me:{secrets[1]} https://host"\n# DB_PWD: {secrets[2]}\n'
    server.answers.append(stream(*talk("It fails.")))
    chat = remote(server)
    await run(task("review", root, text=text), chat)
    await chat.client.aclose()
    (asked,) = server.asked
    said = str(asked.body)
    assert "def half" in said and 'PASSWORD = "********"' in said
    assert not any(secret in said for secret in secrets)


async def test_a_stop_ends_the_answer_and_the_request(root: Path, server: HttpServer) -> None:
    server.answers.append(stream(*talk("It ", finish=None), HANG))
    stop, chat, shown = threading.Event(), remote(server), asyncio.Event()
    asked = asyncio.create_task(
        carry_out(task("explain", root), chat=chat, stop=stop, show=lambda *_: shown.set())  # the first piece
    )
    await asyncio.wait_for(shown.wait(), 10)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await asyncio.wait_for(server.left.wait(), 10)
    await chat.client.aclose()
    stop.set()
    with pytest.raises(Cancelled):
        await carry_out(task("explain", root), chat=ScriptedChat("x"), stop=stop, show=lambda *_: None)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (whole({"error": {"message": "no such model"}}, status=404), "no such model"),
        (stream(*talk("```python\ndef half(", finish=None)), "stopped in the midst"),
    ],
)
async def test_a_server_that_fails_is_one_line(
    root: Path, server: HttpServer, answer: list[bytes], message: str
) -> None:
    server.answers.append(answer)
    chat = remote(server)
    with pytest.raises(BackendError, match=message):
        await run(task("improve", root), chat)
    await chat.client.aclose()


async def test_a_server_that_answers_nonsense_changes_nothing(root: Path, server: HttpServer) -> None:
    server.answers.append(stream(*talk("def def ```\n", "rm -rf / \x00```")))
    chat = remote(server)
    outcome = await run(task("improve", root), chat)
    await chat.client.aclose()
    assert not outcome.edits and outcome.refusal


# With a model on this machine


async def test_a_model_on_this_machine_is_asked(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from codecompose_ls.backends.torch import TorchBackend
    from tests.torch_models import CHATML, torch_model

    backend = TorchBackend(torch_model(tmp_path / "model", "qwen2", chat_template=CHATML), fim=False)
    # A random model with room for 256 tokens: a short question, and no sense in the answer.
    short = parse("short", '+++\ntitle = "Short"\n+++\n{{code}}', origin="user")
    document = Document("untitled:a.py", "a.py", "python", "x = 1")
    shown: list[str] = []
    try:
        outcome = await run(Task(short, document, 0, 0), backend, shown=shown)
    finally:
        backend.close()
    assert outcome.made_by == "model" and outcome.markdown.strip()
    assert len(shown) > 1 and "".join(shown).lstrip("\n") in outcome.markdown
