"""Settings from every source; a wrong value gives one clear message, and the server lives on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from codecompose_ls.lsp.client.session import Session
from tests.lsp.conftest import fake

TEXT = "#say hello)\nprint("


def messages(session: Session) -> list[str]:
    return [params["message"] for method, params in session.notifications if method == "window/showMessage"]


async def status(session: Session, uri: str) -> Any:
    """Return the status after a request."""
    await session.inline(uri, len(TEXT))
    return [params for method, params in session.notifications if method == "didChangeStatus"][-1]


@pytest.mark.parametrize("section", [False, True])
async def test_the_editor_sets_bare_or_in_a_section_when_it_starts_the_server(section: bool, workspace: Path) -> None:
    values = {"disabledLanguages": ["python"]}
    async with fake(root=workspace, options={"codecompose": values, "other": 1} if section else values) as session:
        uri = await session.open(workspace / "initial.py", TEXT, "python")
        assert (await status(session, uri))["kind"] == "Inactive"
        assert messages(session) == []


@pytest.mark.parametrize("section", [False, True])
async def test_the_editor_sets_bare_or_in_a_section_while_the_server_runs(section: bool, workspace: Path) -> None:
    async with fake(root=workspace) as session:
        uri = await session.open(workspace / "running.py", TEXT, "python")
        assert len(await session.inline(uri, len(TEXT))) == 1
        for enabled, count in ((False, 0), (True, 1)):
            values = {"enabled": enabled}
            settings = {"codecompose": values} if section else values
            session.notify("workspace/didChangeConfiguration", {"settings": settings})
            assert len(await session.inline(uri, len(TEXT))) == count


async def answered(session: Session, workspace: Path, settings: Any) -> list[str]:
    """Send settings; return the languages in which there is a suggestion then."""
    session.notify("workspace/didChangeConfiguration", {"settings": settings})
    found = []
    for language in ("go", "python"):
        uri = await session.open(workspace / f"answered.{language}", TEXT, language)
        found += [language] * len(await session.inline(uri, len(TEXT)))
    return found


@pytest.mark.parametrize("section", [False, True])
async def test_a_setting_that_was_removed_is_again_what_the_server_was_started_with(
    section: bool, workspace: Path
) -> None:
    def sent(**values: Any) -> Any:
        return {"codecompose": values, "editor": {"tabSize": 4}} if section else values

    async with fake(root=workspace, options={"disabledLanguages": ["go"]}) as session:
        assert await answered(session, workspace, sent(enabled=False)) == []
        assert await answered(session, workspace, sent()) == ["python"]
        assert await answered(session, workspace, sent(disabledLanguages=[])) == ["go", "python"]
        assert await answered(session, workspace, sent(maxTokens=8)) == ["python"]
        # null is how VS Code says that the user has removed what the server was started with.
        assert await answered(session, workspace, sent(disabledLanguages=None)) == ["go", "python"]
        assert await answered(session, workspace, [] if not section else {"codecompose": []}) == ["python"]
        assert messages(session) == []


async def test_what_was_sent_holds_until_something_else_is_sent(workspace: Path) -> None:
    async with fake(root=workspace) as session:
        assert await answered(session, workspace, {"disabledLanguages": ["go"]}) == ["python"]
        for nothing in (None, "text", ["not", "an", "object"]):
            assert await answered(session, workspace, nothing) == ["python"]
        change = {"event": {"added": [], "removed": []}}
        session.notify("workspace/didChangeWorkspaceFolders", change)
        uri = await session.open(workspace / "still.go", TEXT, "go")
        assert await session.inline(uri, len(TEXT)) == []


async def test_the_user_file_the_project_file_and_the_environment_are_read(tmp_path: Path) -> None:
    user, project = tmp_path / "user.toml", tmp_path / "project"
    project.mkdir()
    user.write_text("max_tokens = 100000\n")
    (project / ".codecompose.toml").write_text('model = "theirs"\nenabled = false\n')
    environment = {"CODECOMPOSE_CONFIG": str(user), "CODECOMPOSE_THREADS": "many"}
    async with fake(root=project, env=environment) as session:
        uri = await session.open(project / "module.py", TEXT, "python")
        assert (await status(session, uri))["message"] == "switched off by .codecompose.toml"
        outside = await session.open(tmp_path / "outside.py", TEXT, "python")
        assert len(await session.inline(outside, len(TEXT))) == 1
        told = messages(session)
    assert len(told) == 3
    assert any("max_tokens" in line and "user.toml" in line for line in told)
    assert any("model" in line and "only by its user" in line for line in told)
    assert any("threads" in line and "environment" in line for line in told)


async def test_a_project_file_holds_as_soon_as_it_is_saved(tmp_path: Path) -> None:
    async with fake(root=tmp_path) as session:
        uri = await session.open(tmp_path / "module.py", TEXT, "python")
        assert len(await session.inline(uri, len(TEXT))) == 1
        (tmp_path / ".codecompose.toml").write_text("enabled = false\n")
        saved = {"textDocument": {"uri": (tmp_path / ".codecompose.toml").as_uri()}}
        session.notify("textDocument/didSave", saved)
        assert await session.inline(uri, len(TEXT)) == []


async def test_each_folder_of_a_workspace_narrows_for_itself(tmp_path: Path) -> None:
    for name in ("open", "shut", "added"):
        (tmp_path / name).mkdir()
    for name in ("shut", "added"):
        (tmp_path / name / ".codecompose.toml").write_text("enabled = false\n")
    async with fake(root=tmp_path / "open") as session:
        folders = [{"uri": (tmp_path / name).as_uri(), "name": name} for name in ("open", "shut", "added")]
        change = {"event": {"added": folders, "removed": []}}
        session.notify("workspace/didChangeWorkspaceFolders", change)
        for name, count in (("open", 1), ("shut", 0), ("added", 0)):
            uri = await session.open(tmp_path / name / "module.py", TEXT, "python")
            assert len(await session.inline(uri, len(TEXT))) == count


WRONG: list[tuple[Any, str]] = [
    ({"maxTokens": "many"}, "maxTokens"),
    ({"maxTokens": 0}, "maxTokens"),
    ({"debounceMs": 2.5}, "debounceMs"),
    ({"enabled": "yes"}, "enabled"),
    ({"disabledLanguages": "python"}, "disabledLanguages"),
    ({"ignore": [1]}, "ignore"),
    ({"multiLine": "always"}, "multiLine"),
    ({"modle": "base"}, "modle"),
    ({"threads": True}, "threads"),
    (["not", "an", "object"], "object"),
    ("text", "object"),
    (5, "object"),
]


async def test_a_wrong_value_gives_one_message_that_names_it_and_changes_nothing(workspace: Path) -> None:
    async with fake(root=workspace) as session:
        uri = await session.open(workspace / "wrong.py", TEXT, "python")
        for number, (values, name) in enumerate(WRONG, 1):
            for _ in range(2):
                session.notify("workspace/didChangeConfiguration", {"settings": values})
            assert len(await session.inline(uri, len(TEXT))) == 1
            assert len(messages(session)) == number
            assert name in messages(session)[-1]


@pytest.mark.parametrize(("options", "count"), [(None, 0), ([], 0), ([1], 1), ({"codecompose": 3}, 1)])
async def test_initialization_options_of_any_kind_are_survived(options: Any, count: int, workspace: Path) -> None:
    async with fake(root=workspace, options=options) as session:
        uri = await session.open(workspace / "options.py", TEXT, "python")
        assert len(await session.inline(uri, len(TEXT))) == 1
        assert len(messages(session)) == count


class Pulled(Session):
    """A client that answers workspace/configuration."""

    settings: Mapping[str, Any] | None = {"disabledLanguages": ["python"]}

    def reply(self, method: str, params: Any) -> Any:
        return [self.settings for _ in params["items"]] if method == "workspace/configuration" else None


async def test_a_client_that_sends_no_settings_is_asked_for_them(workspace: Path) -> None:
    capabilities = {"workspace": {"configuration": True}}
    pulled = Pulled.start(root=workspace, capabilities=capabilities, command=fake.keywords["command"])
    async with pulled as session:
        uri = await session.open(workspace / "pulled.py", TEXT, "python")
        session.notify("workspace/didChangeConfiguration", {"settings": None})
        asked = await session.wait_for("workspace/configuration")
        assert asked["items"] == [{"section": "codecompose"}]
        await session.wait_for("didChangeStatus", lambda status: status["kind"] == "Inactive")
        assert await session.inline(uri, len(TEXT)) == []
        # All of it removed: VS Code then has null for the section.
        session.settings, heard = None, len(session.notifications)
        session.notify("workspace/didChangeConfiguration", {"settings": None})
        await session.wait_for("didChangeStatus", lambda status: status["kind"] == "Normal", after=heard)
        assert len(await session.inline(uri, len(TEXT))) == 1


async def test_another_model_is_loaded_beside_the_running_server(workspace: Path) -> None:
    async with fake(root=workspace, options={"model": "first"}) as session:
        uri = await session.open(workspace / "swapped.py", TEXT, "python")
        assert len(await session.inline(uri, len(TEXT))) == 1
        session.notify("workspace/didChangeConfiguration", {"settings": {"model": "second"}})
        await session.wait_for("didChangeStatus", lambda status: "second" in status["message"] and not status["busy"])
        assert len(await session.inline(uri, len(TEXT))) == 1
        state = await session.raw_request("test/state")
        assert state["closed"] == ["first"]
        assert len(state["asked"]) == 1


async def test_a_model_named_while_switched_off_is_loaded_when_switched_on(workspace: Path) -> None:
    async with fake(root=workspace, options={"model": "first"}) as session:
        await session.ready()
        for enabled in (False, True):
            values = {"enabled": enabled, "model": "second"}
            session.notify("workspace/didChangeConfiguration", {"settings": values})
        await session.wait_for("didChangeStatus", lambda status: status["message"] == "model 'second'")
        assert (await session.raw_request("test/state"))["closed"] == ["first"]


async def test_an_unreadable_settings_file_is_left_out(tmp_path: Path) -> None:
    (tmp_path / ".codecompose.toml").write_text("enabled = = false\n")
    async with fake(root=tmp_path) as session:
        uri = await session.open(tmp_path / "module.py", TEXT, "python")
        assert len(await session.inline(uri, len(TEXT))) == 1
        await asyncio.sleep(0)
        assert [".codecompose.toml" in line for line in messages(session)] == [True]
