"""What a request has to be before Gradio sees it: for a route that this page uses, of a size that it can need, whole in
time. What Gradio offers beside that (fetching an address for a visitor, converting his films, skipping the queue) is
closed, and so is whatever a later Gradio adds.
"""

import asyncio
import errno
import re
from typing import Any

import anyio.to_thread
import httpx
from gradio.route_utils import FnIndexInferError
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dala.ui.server.uploads import MAX_MEGABYTES, forget_unfinished, taken_in, unkept

__all__ = ["OPEN", "Guard", "options"]

# A picture as base64 is a third longer, and what is too long for one is still told in a sentence.
MOST_BYTES = int(1.5 * MAX_MEGABYTES * 2**20)
# Of JSON. Gradio walks through every value where it serves all visitors: ten million kept each of them waiting for a
# minute, these for half a second.
MOST_VALUES = 100_000
SECONDS = 300  # for a whole body: 20 MB at half a megabit a second
FILE, UPLOAD = "/gradio_api/file=", "/gradio_api/upload"
OPEN = re.compile(
    r"/|/config/?|/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/(static|assets|svelte)/.+"
    r"|/gradio_api/(info/?|openapi\.json|app_id/?|startup-events|theme\.css|upload|upload_progress|cancel|reset/?"
    r"|queue/(join|data|status)|call/.+|heartbeat/[^/]+|file=.+|mcp(/.*)?)",
    re.DOTALL,
)
# What code that takes a request for a well-formed one raises where it is not.
MALFORMED = (
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, FnIndexInferError,
    httpx.InvalidURL,
)  # fmt: skip
# Of addresses in answers Gradio believes these headers; anything else than a host breaks it, at times in the queue,
# where nobody is told.
HOSTS = (b"host", b"x-forwarded-host")
HOST = re.compile(rb"([\w.-]*|\[[\da-fA-F:.]+\])(:\d{1,5})?")


class _RefusedError(Exception):
    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status, self.told = status, told


class Guard:
    """ASGI middleware; it answers what it refuses with a status from 400 on and one sentence as JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = _route(scope)
        started, body = False, _Body(receive, path)

        async def answer(message: Message) -> None:
            nonlocal started
            if body.refused and not started:
                return  # FastAPI's own words for a body that could not be read
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            _check(scope, path)
            if path == UPLOAD:
                await anyio.to_thread.run_sync(forget_unfinished)
            await self.app(scope, body.receive, answer)
        except _RefusedError as error:
            body.refused = error
        if body.refused and not started:
            await _answer(body.refused.status, body.refused.told)(scope, receive, send)


def options() -> dict[str, Any]:
    """What FastAPI is told so that every request passes the guard, and no failure answers with more than a sentence."""
    return {
        "middleware": [Middleware(Guard)],
        "exception_handlers": {OSError: unkept, Exception: _failed},
        "openapi_url": None,
    }


def _route(scope: Scope) -> str:
    """The path without the one under which a proxy offers the app, whether or not the proxy passed that on."""
    return str(scope["path"]).removeprefix(scope.get("root_path", "")) or "/"


def _check(scope: Scope, path: str) -> None:
    if not OPEN.fullmatch(path):
        raise _RefusedError(404, "There is no such page.")
    if path.startswith(FILE) and taken_in(path.removeprefix(FILE)) is None:
        raise _RefusedError(403, "There is no such file.")
    # The first would be the address of Gradio's other server, which does not run here; to the second, for a part of a
    # file, Gradio answers with the request's own headers.
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in (b"x-gradio-server", b"range")]
    for name, value in scope["headers"]:
        if name in HOSTS and not all(HOST.fullmatch(host.strip()) for host in value.split(b",")):
            raise _RefusedError(400, "There is no such host.")
    if path.rstrip("/") == "/gradio_api/info":
        # Else Gradio would keep the description with the address by which its first reader called the server, whatever
        # that reader wrote there, and show it to everybody; a page's description it makes anew for each.
        scope["query_string"] += b"&page="
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if length.isdigit() and int(length) > MOST_BYTES:
        raise _RefusedError(413, _TOO_LONG)


class _Body:
    """The body of a request, which may not be too long, hold too many values or take for ever."""

    def __init__(self, receive: Receive, path: str) -> None:
        self._receive, self._json = receive, path != UPLOAD
        self._bytes = self._values = 0
        self._whole, self._end = False, asyncio.get_running_loop().time() + SECONDS
        self.refused: _RefusedError | None = None

    async def receive(self) -> Message:
        """The next part of it."""
        if self._whole:  # what still comes is the end of the connection, however long the answer takes
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._end):
                message = await self._receive()
        except TimeoutError:
            raise self._refuse(408, f"The request did not arrive within {SECONDS} seconds.") from None
        part = message.get("body", b"")
        self._whole = not message.get("more_body", False)
        self._bytes += len(part)
        if self._bytes > MOST_BYTES:
            raise self._refuse(413, _TOO_LONG)
        self._values += sum(part.count(sign) for sign in (b",", b"[", b"{")) if self._json else 0
        if self._values > MOST_VALUES:
            raise self._refuse(413, f"The request holds more than {MOST_VALUES} values: send a raw map as NPZ.")
        return message

    def _refuse(self, status: int, told: str) -> _RefusedError:
        self.refused = _RefusedError(status, told)
        return self.refused


async def _failed(_request: Request, error: Exception) -> JSONResponse:
    """The server's log has the reason: Starlette raises the error again."""
    if isinstance(error, MALFORMED) or getattr(error, "errno", None) in (errno.ENAMETOOLONG, errno.EINVAL):
        return _answer(400, "This request is not one that the page makes.")
    return _answer(500, "The server could not do this: try again later.")


def _answer(status: int, told: str) -> JSONResponse:
    # The rest of the body is not waited for, and after an error the server closes the connection.
    headers = {"Connection": "close", "X-Content-Type-Options": "nosniff"}
    return JSONResponse({"detail": told}, status, headers)


_TOO_LONG = f"The request has more than {MOST_BYTES // 2**20} MB."
