"""The command `codecompose.feedback`: a thumb up or down, kept on this machine and sent to the user's team, if any.

Its argument is {"rating": "up" | "down", "comment", "about": "suggestion" | "assistant" | "server", "item",
"assistant", "uri"}, of which only the rating must be there. `item` is the item of a suggestion or the id in its
command; without it the suggestion shown last is meant. The result is {"kept", "sent", "message"}, `message` being one
line for the user.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pygls.exceptions import JsonRpcInvalidParams

from codecompose_ls.lsp.events import suggestion_id
from codecompose_ls.lsp.server import Server

if TYPE_CHECKING:
    from codecompose_ls.telemetry.feedback import Feedback

FEEDBACK = "codecompose.feedback"
_LIST = "codecompose-ls feedback list"


async def feedback(ls: Server, *arguments: Any) -> dict[str, Any]:
    """Keep what the user says, and send it."""
    import sqlite3

    from codecompose_ls.telemetry.database import default_path
    from codecompose_ls.telemetry.feedback import MOST_CHARACTERS, is_sent, keep

    said = _read(ls, arguments[0] if len(arguments) == 1 else None)
    if not ls.settings.telemetry:
        return _answer("Not kept: the setting 'telemetry' is off; set it to true to give feedback")
    if len(said.comment) > MOST_CHARACTERS:
        return _answer(f"Not kept: the comment is longer than {MOST_CHARACTERS} characters")
    path, service = default_path(), await asyncio.to_thread(lambda: ls.team.url)
    try:
        await asyncio.to_thread(keep, path, said, service=service)
    except (sqlite3.Error, OSError) as error:
        return _answer(f"Not kept: {path} cannot be written ({error})")
    if not service:
        return _answer(f"Thank you. Kept on this machine: {_LIST}", kept=True)
    await ls.team.send_feedback()
    if await asyncio.to_thread(is_sent, path, said.id):
        return _answer(f"Thank you. Kept on this machine ({_LIST}) and sent to your team", kept=True, sent=True)
    return _answer(f"Thank you. Kept on this machine ({_LIST}); your team gets it when its service answers", kept=True)


def _read(ls: Server, told: Any) -> Feedback:
    """Return what a client has told with what the server knows of it. Raises `JsonRpcInvalidParams`."""
    from codecompose_ls.telemetry.feedback import RATINGS, SUBJECTS, Feedback

    told = told if isinstance(told, dict) else {}
    about, comment, assistant, item = (told.get(name) for name in ("about", "comment", "assistant", "item"))
    if told.get("rating") not in RATINGS or (about or SUBJECTS[0]) not in SUBJECTS:
        raise JsonRpcInvalidParams('the argument is an object {"rating": "up" or "down", "comment", "about", ...}')
    if not isinstance(comment or "", str) or not isinstance(assistant or "", str):
        raise JsonRpcInvalidParams("'comment' and 'assistant' are texts")
    about, assistant = about or SUBJECTS[0], _name(assistant or "")
    if about == "assistant":
        language, model = ls.life.assistant(assistant)
    else:
        language, model = ls.life.suggestion(item if isinstance(item, str) else suggestion_id({"item": item}))
    if not language or about == "server":
        document = ls.workspace.document(told["uri"]) if isinstance(told.get("uri"), str) else None
        language = document.language if document else ""
    return Feedback(
        told["rating"],
        _readable(comment or "").strip(),
        about,
        assistant if about == "assistant" else "",
        _name(language),
        _name(model),
        ls.life.editor,
        ls.life.cohort,
    )


def _answer(message: str, *, kept: bool = False, sent: bool = False) -> dict[str, Any]:
    return {"kept": kept, "sent": sent, "message": message}


def _readable(text: str) -> str:
    """Return a text in a form that UTF-8 and every database can carry."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _name(text: str) -> str:
    from codecompose_ls.telemetry.wire import MOST_CHARACTERS

    return _readable(text)[:MOST_CHARACTERS]
