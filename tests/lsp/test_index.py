"""The index in the server: loaded, built, followed by editor and disk, switched off, and never in the way."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from codecompose_ls.lsp.client.session import Session
from tests.lsp.conftest import fake

HELLO = "#say hello)\nprint("
KEY = "AKIA" + "Q3EGRZ7XKJLW5TPN"
STORED = {"a.py": "alpha = 1", "pkg/b.py": "beta = 2"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    write(root, "a.py", "alpha = 1\n")
    write(root, "pkg/b.py", "beta = 2\n")
    return root


def write(root: Path, path: str, text: str) -> Path:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    return root / path


async def indexed(session: Session, root: Path, *, built: bool = True) -> dict[str, str]:
    """The files of a folder as other documents' suggestions know them, once nothing is under way."""
    folders = await session.raw_request("test/index", {"built": built})
    found: dict[str, str] = folders.get(str(root.resolve()), {})
    return found


def saved(session: Session, *paths: Path) -> None:
    for path in paths:
        session.notify("textDocument/didSave", {"textDocument": {"uri": path.resolve().as_uri()}})


def written(session: Session, *paths: Path) -> None:
    changes = [{"uri": path.resolve().as_uri(), "type": 2 if path.exists() else 3} for path in paths]
    session.notify("workspace/didChangeWatchedFiles", {"changes": changes})


def statuses(session: Session) -> list[str]:
    return [params["message"] for method, params in session.notifications if method == "didChangeStatus"]


async def test_a_folder_is_indexed_when_it_is_opened(project: Path) -> None:
    write(project, ".gitignore", "build/\n")
    write(project, "build/out.py", "ignored = 1\n")
    write(project, "keys.py", f"key = '{KEY}'\n")
    async with fake(root=project) as session:
        assert await indexed(session, project) == STORED
        assert KEY.encode() not in session.log


async def test_what_takes_a_while_is_shown_in_the_status_and_as_progress(project: Path) -> None:
    for number in range(6):
        lines = (f"value_{number}_{line} = some_function(argument)\n" for line in range(10_000))
        write(project, f"large{number}.py", "".join(lines))
    async with fake(root=project, capabilities={"window": {"workDoneProgress": True}}) as session:
        assert len(await indexed(session, project)) == 8
        await session.wait_for("$/progress", lambda params: params["value"]["kind"] == "end")
        created = [params["token"] for method, params in session.notifications if method.endswith("Progress/create")]
        told = [params for method, params in session.notifications if method == "$/progress"]
        assert {params["token"] for params in told} == set(created)
        assert len(created) == 1
        assert told[0]["value"] == {"kind": "begin", "title": "Indexing project", "percentage": 0}
        assert [params["value"]["kind"] for params in told[1:-1]] == ["report"] * (len(told) - 2)
        assert any(message.startswith("model 'base', indexing ") for message in statuses(session))
        assert statuses(session)[-1] == "model 'base'"


async def test_a_client_that_shows_no_bars_is_sent_none(project: Path) -> None:
    for number in range(3):
        write(project, f"large{number}.py", f"value{number} = some_function(argument)\n" * 15_000)
    async with fake(root=project) as session:
        assert len(await indexed(session, project)) == 5
        assert not [method for method, _ in session.notifications if "rogress" in method]


async def test_the_next_start_needs_no_build(project: Path) -> None:
    async with fake(root=project) as session:
        await indexed(session, project)
    # Nothing is built before the model is there.
    async with fake(root=project, options={"model": "late"}) as session:
        assert await indexed(session, project, built=False) == STORED
        await session.raw_request("test/mayLoad")


async def test_what_was_changed_between_two_starts_is_built_anew(project: Path) -> None:
    async with fake(root=project) as session:
        await indexed(session, project)
    write(project, "a.py", "alpha = 100\n")
    (project / "pkg" / "b.py").unlink()
    async with fake(root=project) as session:
        assert await indexed(session, project) == {"a.py": "alpha = 100"}


async def test_what_is_saved_is_found(project: Path) -> None:
    async with fake(root=project) as session:
        await indexed(session, project)
        saved(session, write(project, "a.py", "alpha = 100\n"), write(project, "new.py", "gamma = 3\n"))
        expected = {"a.py": "alpha = 100", "new.py": "gamma = 3", "pkg/b.py": "beta = 2"}
        assert await indexed(session, project) == expected


async def test_what_other_programs_write_and_delete_is_noticed(project: Path) -> None:
    async with fake(root=project) as session:
        await indexed(session, project)
        (project / "a.py").unlink()
        written(session, project / "a.py", write(project, "pkg/b.py", "beta = 200\n"))
        assert await indexed(session, project) == {"pkg/b.py": "beta = 200"}


async def test_many_files_written_at_once_are_left_to_a_build(project: Path) -> None:
    async with fake(root=project) as session:
        await indexed(session, project)
        written(session, *(write(project, f"f{number}.py", f"name{number} = 1\n") for number in range(100)))
        assert len(await indexed(session, project)) == 102


async def test_what_is_typed_counts_in_other_documents_until_it_is_closed_unsaved(project: Path) -> None:
    async with fake(root=project) as session:
        await indexed(session, project)
        uri = await session.open(project / "a.py", "alpha = 1\n", "python")
        assert await indexed(session, project) == STORED
        session.change(uri, 0, 5, "typed")
        assert await indexed(session, project) == {**STORED, "a.py": "typed = 1"}
        session.close(uri)
        assert await indexed(session, project) == STORED


async def test_a_document_is_left_in_peace_until_somebody_turns_to_another(project: Path) -> None:
    async with fake(root=project) as session:
        await indexed(session, project)
        await session.open(project / "c.py", "gamma = 3\n", "python")
        assert await indexed(session, project, built=False) == STORED
        await session.open(project / "d.py", "delta = 4\n", "python")
        assert await indexed(session, project, built=False) == {**STORED, "c.py": "gamma = 3"}


async def test_a_secret_typed_into_a_file_takes_it_out(project: Path) -> None:
    async with fake(root=project) as session:
        await indexed(session, project)
        uri = await session.open(project / "a.py", "alpha = 1\n", "python")
        session.change(uri, 0, 0, f"key = '{KEY}'\n")
        assert await indexed(session, project) == {"pkg/b.py": "beta = 2"}


async def test_new_ignore_rules_hold_at_once(project: Path) -> None:
    async with fake(root=project) as session:
        await indexed(session, project)
        written(session, write(project, ".gitignore", "pkg/\n"))
        assert await indexed(session, project) == {"a.py": "alpha = 1"}
        saved(session, write(project, ".gitignore", "a.py\n"))
        assert await indexed(session, project) == {"pkg/b.py": "beta = 2"}


async def test_the_settings_rules_hold_at_once(project: Path) -> None:
    async with fake(root=project) as session:
        await indexed(session, project)
        session.notify("workspace/didChangeConfiguration", {"settings": {"ignore": ["pkg/"]}})
        assert await indexed(session, project) == {"a.py": "alpha = 1"}
        session.notify("workspace/didChangeConfiguration", {"settings": {"disabledLanguages": ["python"]}})
        assert await indexed(session, project) == {}


async def test_it_can_be_switched_off_and_on(project: Path) -> None:
    async with fake(root=project, options={"index": False}) as session:
        assert await indexed(session, project) == {}
        await session.ready()
        assert statuses(session)[-1] == "model 'base', index off"
        session.notify("workspace/didChangeConfiguration", {"settings": {"index": True}})
        assert await indexed(session, project) == STORED
        assert statuses(session)[-1] == "model 'base'"


async def test_a_project_may_switch_it_off_but_not_on(project: Path) -> None:
    write(project, ".codecompose.toml", "index = false\n")
    async with fake(root=project) as session:
        assert await indexed(session, project) == {}
    write(project, ".codecompose.toml", "index = true\n")
    async with fake(root=project, options={"index": False}) as session:
        assert await indexed(session, project) == {}


async def test_a_builder_that_fails_leaves_the_server_serving_without(project: Path, tmp_path: Path) -> None:
    cache = write(tmp_path, "cache", "not a folder")
    async with fake(root=project, env={"CODECOMPOSE_CACHE": str(cache)}) as session:
        uri = await session.open(project / "c.py", HELLO, "python")
        await indexed(session, project)
        assert [item.insert_text for item in await session.inline(uri, len(HELLO))] == ["hello)"]
        assert statuses(session)[-1].startswith("model 'base', no index (")
        assert session.log.count(b"no index of") == 1
        assert b"Traceback" not in session.log


async def test_a_damaged_index_is_built_anew(project: Path, tmp_path: Path) -> None:
    env = {"CODECOMPOSE_CACHE": str(tmp_path / "cache")}
    async with fake(root=project, env=env) as session:
        await indexed(session, project)
    for file in (tmp_path / "cache" / "index").rglob("*.npy"):
        file.write_bytes(b"rubbish")
    async with fake(root=project, env=env) as session:
        assert await indexed(session, project) == STORED


async def test_every_folder_has_an_index_of_its_own(project: Path, tmp_path: Path) -> None:
    other = write(tmp_path, "other/z.py", "omega = 9\n").parent
    folders = [{"uri": root.resolve().as_uri(), "name": root.name} for root in (project, other)]
    async with fake(root=project) as session:
        session.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": folders, "removed": []}})
        assert await indexed(session, project) == STORED
        assert await indexed(session, other) == {"z.py": "omega = 9"}
        session.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": [], "removed": folders[1:]}})
        assert await indexed(session, other) == {}


async def test_without_a_folder_there_are_the_open_documents_only(project: Path) -> None:
    async with fake() as session:
        uri = await session.open(project / "a.py", "alpha = 1\n", "python")
        assert await indexed(session, project) == {"a.py": "alpha = 1"}
        session.close(uri)
        assert await indexed(session, project) == {}


async def test_the_client_is_asked_to_watch_the_files(project: Path) -> None:
    able: dict[str, Any] = {"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}}}
    async with fake(root=project, capabilities=able) as session:
        asked = await session.wait_for("client/registerCapability")
        (registration,) = asked["registrations"]
        assert registration["method"] == "workspace/didChangeWatchedFiles"
        sources, rules = (watcher["globPattern"] for watcher in registration["registerOptions"]["watchers"])
        assert ",py," in sources.replace("{", ",").replace("}", ",")
        assert rules == "**/{.gitignore,.ignore,.codecomposeignore,.codecompose.toml}"


async def test_the_server_ends_while_it_builds(project: Path) -> None:
    for number in range(6):
        write(project, f"large{number}.py", f"value{number} = some_function(argument)\n" * 12_000)
    async with fake(root=project) as session:
        await session.wait_for("didChangeStatus", lambda status: "indexing" in status["message"])
    assert session.process.returncode == 0
