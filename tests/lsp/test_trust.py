"""What must be left alone never reaches the engine or the log, and the status says why nothing appears."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from codecompose_ls.lsp.client.session import Session

HELLO = "#say hello)\nprint("
#: The format of a cloud provider's access key, of no account.
KEY = "AKIA" + "Q3EGRZ7XKJLW5TPN"


async def refused(session: Session, path: Path, text: str, language: str = "python") -> str:
    """Open and ask; return the status when nothing was suggested and nothing reached the engine."""
    uri = await session.open(path, text, language)
    session.change(uri, 0, 0, "#\n")
    assert await session.inline(uri, len(text) + 2, trigger="invoked") == []
    state = await session.raw_request("test/state")
    seen = [context["path"] for context in state["asked"] + state["warmed"]]
    assert path.name not in " ".join(seen)
    statuses = [params for method, params in session.notifications if method == "didChangeStatus"]
    assert statuses[-1]["kind"] == "Inactive"
    return str(statuses[-1]["message"])


async def test_an_ignored_file(session: Session, workspace: Path) -> None:
    (workspace / ".gitignore").write_text("private/\n")
    assert (
        await refused(session, workspace / "private" / "a.py", HELLO)
        == "private/a.py is left alone: ignored by .gitignore"
    )


async def test_a_file_ignored_by_a_setting(session: Session, workspace: Path) -> None:
    session.notify("workspace/didChangeConfiguration", {"settings": {"ignore": ["*.gen.py"]}})
    assert "ignored" in await refused(session, workspace / "tables.gen.py", HELLO)


@pytest.mark.parametrize("name", [".env", ".env.production", "id_rsa", "server.pem"])
async def test_a_file_of_secrets(name: str, session: Session, workspace: Path) -> None:
    assert "secret" in await refused(session, workspace / name, HELLO, "plaintext")


async def test_a_text_with_a_key_in_it(session: Session, workspace: Path) -> None:
    assert "secret" in await refused(session, workspace / "keys.py", f"aws = '{KEY}'\n{HELLO}")
    assert KEY.encode() not in session.log


async def test_a_binary_file(session: Session, workspace: Path) -> None:
    assert "binary" in await refused(session, workspace / "image.py", "\0\1\2" + HELLO)


async def test_a_huge_file(session: Session, workspace: Path) -> None:
    assert "1 MB" in await refused(session, workspace / "huge.py", "x = 1\n" * 170_000 + HELLO)


async def test_a_link_to_an_ignored_file(session: Session, workspace: Path) -> None:
    (workspace / ".gitignore").write_text("private/\n")
    (workspace / "private").mkdir(exist_ok=True)
    (workspace / "private" / "real.py").write_text(HELLO)
    (workspace / "link.py").symlink_to(workspace / "private" / "real.py")
    assert "ignored" in await refused(session, workspace / "link.py", HELLO)


async def test_a_secret_cell_of_a_repository_that_is_no_workspace(session: Session, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("build/\n")
    assert "ignored" in await refused(session, tmp_path / "build" / "out.py", HELLO)


async def test_the_status_is_normal_again_when_the_file_is_closed(session: Session, workspace: Path) -> None:
    await session.open(workspace / "before.py", HELLO, "python")
    await refused(session, workspace / ".env", HELLO)
    session.close((workspace / ".env").as_uri())
    await session.wait_for(
        "didChangeStatus", lambda status: status["kind"] == "Normal", after=len(session.notifications)
    )


async def test_the_status_is_normal_again_in_the_next_file(session: Session, workspace: Path) -> None:
    await refused(session, workspace / ".env", HELLO)
    uri = await session.open(workspace / "fine.py", HELLO, "python")
    assert len(await session.inline(uri, len(HELLO))) == 1
    assert session.notifications[-1][1]["kind"] == "Normal"


async def test_the_log_holds_no_code(session: Session, workspace: Path) -> None:
    marker = "unmistakable_identifier"
    uri = await session.open(workspace / "logged.py", f"{marker} = 1\n#fail oh\nprint(", "python")
    session.notify("workspace/didChangeConfiguration", {"settings": {"logLevel": "debug"}})
    await session.inline(uri, len(session.text(uri)))
    session.notify("textDocument/didChange", {"textDocument": {"uri": uri}, "contentChanges": marker})
    for bad in ({"uri": marker}, [marker], marker):
        with pytest.raises(Exception, match="malformed"):
            await session.raw_request("textDocument/inlineCompletion", bad)
    session.notify("workspace/didChangeConfiguration", {"settings": {"logLevel": "warning"}})
    await session.raw_request("test/state")
    assert marker.encode() not in session.log
