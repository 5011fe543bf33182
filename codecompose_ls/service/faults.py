"""What went wrong, in the shape of OpenAI's API: {"error": {"message", "type", "param", "code"}}.

Messages name fields and limits, never what a client has sent.
"""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codecompose_ls.errors import CodeComposeError, InputError, ModelError

#: When what is unavailable may be asked for again.
AGAIN_S = 30

logger = logging.getLogger(__name__)

_NO_JSON = "the body is not JSON"
_NO_OBJECT = "the body must be a JSON object, sent with Content-Type: application/json"


class Unavailable(CodeComposeError):
    """Something that the service itself depends on does not answer; the same may be asked again soon."""


class Fault(Exception):
    """An answer that is an error. `status` is HTTP's; `param` names the field of the request that is wrong,
    `retry_after_s` says when it may be sent again."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        # It may name what a client has sent; half a surrogate pair cannot be sent back.
        super().__init__(" ".join(message.encode("utf-8", "replace").decode("utf-8").split()))
        self.status, self.code, self.param, self.retry_after_s = status, code, param, retry_after_s

    @property
    def body(self) -> dict[str, Any]:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}

    @property
    def response(self) -> JSONResponse:
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        return JSONResponse(self.body, self.status, headers=headers)


def fault_of(error: Exception) -> Fault:
    """Return what a client is told of an error; one that nobody foresaw is logged by its type alone."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, HTTPException):
        # FastAPI's word for JSON that is nested too deep, has too long a number, or is no text at all.
        unread = error.status_code == 400 and "parsing the body" in str(error.detail)
        return Fault(error.status_code, _NO_JSON if unread else str(error.detail))
    if isinstance(error, InputError):
        return Fault(400, str(error))
    if isinstance(error, ModelError):
        return Fault(503, str(error), code="model_unusable")
    if isinstance(error, Unavailable):
        return Fault(503, str(error), code="unavailable", retry_after_s=AGAIN_S)
    if isinstance(error, CodeComposeError):
        return Fault(500, str(error))
    logger.error("a request failed: %s", type(error).__name__)
    return Fault(500, "the service failed; its log names the error")


def install(app: FastAPI) -> None:
    """Answer every error that an endpoint raises in OpenAI's shape."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        return fault_of(error).response

    for kind in (Fault, CodeComposeError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)


class LastResort:
    """ASGI middleware: what else an endpoint raises becomes a 500; no traceback, which may quote code, is logged."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = False

        async def watched(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            response = fault_of(error).response
            if not began:
                await response(scope, receive, send)


def _invalid(error: RequestValidationError) -> Fault:
    """Say which field is wrong and why, without what stood there."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return Fault(400, _NO_JSON)
    param = ".".join(str(part) for part in first["loc"] if part != "body")
    if not param:
        return Fault(400, _NO_OBJECT)
    return Fault(400, f"'{param}': {first['msg'].removeprefix('Value error, ')}", param=param)
