"""The user's team service: it gets what is counted, and its roll-out is lived by; nobody waits for it."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from codecompose_ls.lsp.client.session import Session
from codecompose_ls.telemetry.summary import export
from tests.lsp.conftest import fake

HELLO = "#say hello)\nprint("
ROLLOUT = """
[experiments.eager]
settings = { popup = true }
waves = [{ percent = 50 }]
[experiments.eager.guard_rails]
acceptance_rate = 0.02
[state.eager]
wave = 0
status = "STATUS"
since = 2026-11-01
"""


class TeamService:
    """Takes events, and hands out a roll-out file."""

    def __init__(self, rollout: str) -> None:
        self.rollout = rollout
        self.events: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.has_asked, self.has_events = threading.Event(), threading.Event()
        self.url = ""


@contextmanager
def serving(rollout: str) -> Iterator[TeamService]:
    service = TeamService(rollout)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            service.events += json.loads(body)["events"]
            service.keys.add(self.headers["Authorization"])
            self._answer(b"{}")
            service.has_events.set()

        def do_GET(self) -> None:
            assert self.path == "/v1/rollout"
            self._answer(service.rollout.encode())
            service.has_asked.set()

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def use(session: Session, workspace: Path) -> None:
    uri = await session.open(workspace / "told.py", HELLO, "python")
    (item,) = await session.inline(uri, len(HELLO))
    await session.show(item)
    session.change(uri, len(HELLO), len(HELLO), item.insert_text)
    await session.accept(item)


#: Whose place in the experiment is below one half, so that they get the change.
USER = "0" * 32
CAN_REGISTER = {"textDocument": {"completion": {"dynamicRegistration": True}}}


async def test_a_change_that_is_rolled_out_arrives_and_its_events_carry_the_cohort(
    workspace: Path, tmp_path: Path
) -> None:
    (tmp_path / "rollout-user").write_text(USER)
    with serving(ROLLOUT.replace("STATUS", "running")) as service:
        env = {"CODECOMPOSE_DATA": str(tmp_path), "CODECOMPOSE_API_KEY": "key"}
        options = {"telemetryUrl": service.url}
        async with fake(root=workspace, env=env, options=options, capabilities=CAN_REGISTER) as session:
            await session.wait_for("client/registerCapability", about_popups)
            await use(session, workspace)
        counted = list(export(tmp_path / "telemetry.sqlite3"))
        # What this server has not sent, the next one does.
        async with fake(root=workspace, env=env, options=options):
            while True:
                service.has_events.clear()
                if len({event["id"] for event in service.events}) == len(counted):
                    break
                assert service.has_events.wait(60)
        sent = {event["id"]: event for event in service.events}
    assert [sent[event["id"]] for event in counted] == counted and len(counted) >= 3
    assert {event["cohort"] for event in counted} == {"eager/new"}
    assert service.keys == {"Bearer key"}


async def test_what_was_halted_is_no_more(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "rollout-user").write_text(USER)
    (tmp_path / "rollout.toml").write_text(ROLLOUT.replace("STATUS", "running"))
    env = {"CODECOMPOSE_DATA": str(tmp_path)}
    with serving(ROLLOUT.replace("STATUS", "halted")) as service:
        async with fake(root=workspace, env=env, options={"telemetryUrl": service.url}):
            assert service.has_asked.wait(60)
        async with fake(root=workspace, env=env, capabilities=CAN_REGISTER) as session:
            await use(session, workspace)
    assert "halted" in (tmp_path / "rollout.toml").read_text()
    assert all("cohort" not in event for event in export(tmp_path / "telemetry.sqlite3"))


def about_popups(params: Any) -> bool:
    return any(one["method"] == "textDocument/completion" for one in params["registrations"])


SHOP = ROLLOUT.replace("eager", "shop").replace("settings = { popup = true }", 'model = "shop-custom"')
#: Their places in the experiment shop are 0.40 and 0.85: drawn for the new model, and to be compared with it.
DRAWN = {"new": "0" * 32, "old": "2" * 32}


@pytest.mark.parametrize("arm", DRAWN)
async def test_who_lacks_the_model_that_is_rolled_out_keeps_theirs_and_is_in_no_arm(
    workspace: Path, tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch, arm: str
) -> None:
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path))
    (tmp_path / "rollout-user").write_text(DRAWN[arm])
    (tmp_path / "rollout.toml").write_text(SHOP.replace("STATUS", "running"))
    with serving(SHOP.replace("STATUS", "running")) as service:
        options = {"telemetryUrl": service.url}
        before = await cohorts(workspace, tmp_path, service, options)
        from codecompose_ls.models import registry

        registry.add(tiny, "shop-custom")
        after = await cohorts(workspace, tmp_path, service, options)
    assert before == ("base", {"shop/missing"}, True)
    assert after == ("shop-custom" if arm == "new" else "base", {"shop/missing", f"shop/{arm}"}, False)


@pytest.mark.parametrize(("model", "answers"), [("shop-custom", "mine"), ("corrupt", "base")])
async def test_a_rolled_out_model_gives_way_to_a_promoted_one_and_to_the_base_where_it_cannot_be_loaded(
    workspace: Path, tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch, model: str, answers: str
) -> None:
    from codecompose_ls.models import registry

    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path))
    rollout = SHOP.replace("STATUS", "running").replace("shop-custom", model)
    (tmp_path / "rollout-user").write_text(DRAWN["new"])
    (tmp_path / "rollout.toml").write_text(rollout)
    registry.add(tiny, model)
    if answers != "base":
        registry.add(tiny, answers)
        registry.promote(answers, workspace)
    with serving(rollout) as service:
        said = await cohorts(workspace, tmp_path, service, {"telemetryUrl": service.url})
    assert said == (answers, {"shop/new"}, False)


async def cohorts(
    workspace: Path, data: Path, service: TeamService, options: dict[str, Any]
) -> tuple[str, set[str], bool]:
    """Return the model of a server's status when it has settled, the cohorts of all events so far, and whether its log
    says that the model is not there."""
    service.has_asked.clear()
    async with fake(root=workspace, options=options) as session:
        assert await asyncio.to_thread(service.has_asked.wait, 60)
        # By then the server lives by what was handed out last.
        await use(session, workspace)
        status = [params["message"] for method, params in session.notifications if method == "didChangeStatus"][-1]
    known = {event["cohort"] for event in export(data / "telemetry.sqlite3") if "cohort" in event}
    model = re.search(r"model '([^']+)'", status)
    assert model is not None
    return model[1], known, b"nothing changes here: no model 'shop-custom'" in session.log


async def test_with_telemetry_off_no_service_is_asked_for_anything(workspace: Path, tmp_path: Path) -> None:
    with serving(ROLLOUT.replace("STATUS", "running")) as service:
        env = {"CODECOMPOSE_DATA": str(tmp_path)}
        options = {"telemetryUrl": service.url, "telemetry": False}
        async with fake(root=workspace, env=env, options=options) as session:
            await use(session, workspace)
    assert not service.has_asked.is_set() and not service.has_events.is_set()


async def test_an_address_that_is_none_is_one_line(workspace: Path, tmp_path: Path) -> None:
    options = {"telemetryUrl": "team.example"}
    async with fake(root=workspace, env={"CODECOMPOSE_DATA": str(tmp_path)}, options=options) as session:
        await session.wait_for("window/showMessage", lambda params: "'telemetry_url'" in params["message"])
        await use(session, workspace)


async def test_a_project_cannot_name_a_service(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / ".codecompose.toml").write_text('telemetry_url = "http://127.0.0.1:9"\n')
    async with fake(root=tmp_path, env={"CODECOMPOSE_DATA": str(tmp_path / "data")}) as session:
        refusal = "telemetry_url' cannot be set by a project"
        await session.wait_for("window/showMessage", lambda params: refusal in params["message"])
