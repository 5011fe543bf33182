"""An editor for the tests of assistants: it says what it can do, answers what the server asks, and remembers edits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codecompose_ls.lsp.client.session import Session
from tests.http_server import HttpServer
from tests.lsp.conftest import fake

Json = dict[str, Any]

#: What editors can do that know all of it.
ABLE: Json = {
    "workspace": {
        "applyEdit": True,
        "workspaceEdit": {
            "documentChanges": True,
            "resourceOperations": ["create"],
            "changeAnnotationSupport": {"groupsOnLabel": True},
        },
    },
    "textDocument": {
        "codeAction": {
            "disabledSupport": True,
            "tagSupport": {"valueSet": [1]},
            "resolveSupport": {"properties": ["edit"]},
        }
    },
    "window": {"workDoneProgress": True},
    "experimental": {"codecompose": {"assist": True}},
}


class Editor(Session):
    """`replies` are its answers by method, null where there is none; `asked` is what it was asked, by method."""

    replies: Json
    asked: list[tuple[str, Any]]

    def reply(self, method: str, params: Any) -> Any:
        self.asked.append((method, params))
        return self.replies.get(method)

    @property
    def edits(self) -> list[Any]:
        return [params["edit"] for method, params in self.asked if method == "workspace/applyEdit"]

    async def actions(self, uri: str, start: int, end: int | None = None, **context: Any) -> dict[str, Json]:
        """Return what is offered for a selection, by title."""
        places = [self.cursor(uri, offset)["position"] for offset in (start, start if end is None else end)]
        params = {
            "textDocument": {"uri": uri},
            "range": {"start": places[0], "end": places[1]},
            "context": {"diagnostics": [], **context},
        }
        return {action["title"]: action for action in await self.raw_request("textDocument/codeAction", params)}

    def assist(self, name: str, uri: str, offset: int, *, id: int | str | None = None, **more: Any) -> Any:
        """Ask an assistant about what stands at an offset; the request is on its way when this returns."""
        place = self.cursor(uri, offset)["position"]
        told = {key: more.pop(key) for key in ("partialResultToken", "diagnostics") if key in more}
        asked = {"name": name, "uri": uri, "range": {"start": place, "end": place}, "version": more.pop("version", 1)}
        params = {"command": "codecompose.assist", "arguments": [{**asked, **told}], **more}
        return self.raw_request("workspace/executeCommand", params, id=id)

    def pieces(self, token: str) -> list[str]:
        """Return the pieces of an answer that have come to a token, in their order."""
        told = [params for method, params in self.notifications if method == "$/progress" and params["token"] == token]
        assert {params["value"]["kind"] for params in told} <= {"assist"}
        return [params["value"]["text"] for params in told]


def editor(
    workspace: Path,
    server: HttpServer | None = None,
    *,
    capabilities: Json = ABLE,
    env: dict[str, str] | None = None,
    **settings: Any,
) -> Editor:
    """Prepare an editor whose chat model is behind a test's server, if there is one."""
    options: Json = {"index": False, **settings}
    if server is not None:
        options = {"chat": "openai", "chatUrl": f"{server.url}/v1", "chatModel": "chatty", **options}
    made = Editor.start(
        root=workspace, options=options, env=env, capabilities=capabilities, command=fake.keywords["command"]
    )
    assert isinstance(made, Editor)
    made.replies, made.asked = {"workspace/applyEdit": {"applied": True}}, []
    return made
