"""The roll-out as the service runs it: looks at the experiments, writes down what is decided, and hands out the rest.

One server looks, the one that is started with the lead's file; what it decides is in the database, and every server
hands it out.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fastapi import APIRouter, Request, Response
from filelock import FileLock
from sqlalchemy import Engine, delete, insert, select

from codecompose_ls.errors import CodeComposeError, InputError
from codecompose_ls.rollout.look import look
from codecompose_ls.rollout.record import Record
from codecompose_ls.service.faults import Fault
from codecompose_ls.service.team.buckets import TeamSource, by_weeks
from codecompose_ls.service.team.database import answering, reading, setting
from codecompose_ls.service.team.people import check_admin

PATH = "/v1/rollout"
_SETTING = "rollout"

logger = logging.getLogger(__name__)


class RollOut:
    """The roll-out of the lead's `file`, whose record is the file `record`; without a `file` it is only handed out."""

    def __init__(
        self, engine: Engine, *, file: Path | None = None, record: Path, open: Callable[[Path], Record] = Record
    ) -> None:
        self._engine, self._file, self._record, self._open = engine, file, record, open

    def look(self) -> str:
        """Look at all experiments now, and return what is handed out from now on.

        Raises `InputError` and `OSError` for the file or the record, `Unavailable` for the database; then what was
        handed out before stands.
        """
        if self._file is None:
            raise InputError("this server has no roll-out file: start one with --rollout FILE")
        try:
            text = self._file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--rollout {self._file}: cannot be read ({error})") from error
        self._record.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._record.with_suffix(".lock")):
            record, source = self._open(self._record), TeamSource(self._engine)
            decided = look(text, record=record, buckets=partial(by_weeks, source), source=self._file.name)
            with answering(), self._engine.begin() as connection:
                connection.execute(delete(setting).where(setting.c.name == _SETTING))
                connection.execute(insert(setting).values(name=_SETTING, value=decided))
        return decided

    def look_if_there_is_one(self) -> bool:
        """Look, where there is a file; what goes wrong is logged, and False."""
        try:
            if self._file is not None:
                self.look()
        except (CodeComposeError, OSError) as error:
            logger.error("the roll-out stays as it is: %s", error)
            return False
        return True

    def handed_out(self) -> str | None:
        """Return what is handed out; None before the first look."""
        with answering(), reading(self._engine) as connection:
            return connection.scalars(select(setting.c.value).where(setting.c.name == _SETTING)).first()


def router(rollout: RollOut) -> APIRouter:
    """Return GET /v1/rollout for everyone, and POST /v1/rollout/look for admins."""
    routes = APIRouter()

    @routes.get(PATH)
    def hand_out(request: Request) -> Response:
        text = rollout.handed_out()
        if text is None:
            raise Fault(404, "nothing is rolled out", code="no_rollout")
        headers = {"ETag": etag(text), "Cache-Control": "private, no-cache"}
        known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
        if headers["ETag"] in known:
            return Response(status_code=304, headers=headers)
        return Response(text, headers=headers, media_type="application/toml")

    @routes.post(f"{PATH}/look")
    def look_now(request: Request) -> Response:
        check_admin(request)
        try:
            return Response(rollout.look(), media_type="application/toml")
        except OSError as error:
            raise Fault(500, f"the record cannot be written ({error.strerror})") from error

    return routes


def etag(text: str) -> str:
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def default_record() -> Path:
    """Return where the record is if nobody says otherwise."""
    from codecompose_ls import folders

    return folders.data() / "rollout-record.jsonl"
