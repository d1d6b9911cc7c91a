"""ASGI middleware that checks requests before Gradio sees them: the route, the size and the time to arrive.

Only routes that the page uses are open. Others that Gradio offers (fetching a URL for a client, converting videos,
skipping the queue) are closed, and so is every route that a later Gradio adds.
"""

import asyncio
import errno
import re
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import anyio.to_thread
import httpx
from gradio.brotli_middleware import BrotliMiddleware
from gradio.route_utils import FnIndexInferError
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dala.ui.server.assets import without
from dala.ui.server.presence import HEARTBEAT, Presence
from dala.ui.server.uploads import MAX_MEGABYTES, delete_unfinished, disk_refused, uploaded_path

__all__ = ["OPEN", "Guard", "options"]

# A picture as base64 is a third longer than its file; the margin lets one that is too large reach its error sentence.
MOST_BYTES = int(1.5 * MAX_MEGABYTES * 2**20)
# Of JSON. Gradio walks through all values on the event loop, which serves every visitor: ten million values block it
# for a minute, these for half a second.
MOST_VALUES = 100_000
SECONDS = 300  # for a whole body: 20 MB at half a megabit per second
FILE, UPLOAD = "/gradio_api/file=", "/gradio_api/upload"
OPEN = re.compile(
    r"/|/config/?|/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/(static|assets|svelte)/.+"
    r"|/gradio_api/(info/?|openapi\.json|app_id/?|startup-events|theme\.css|upload|upload_progress|cancel|reset/?"
    r"|queue/(join|data|status)|call/.+|heartbeat/[^/]+|file=.+|mcp(/.*)?)",
    re.DOTALL,
)
# What code that expects a well-formed request raises for any other.
MALFORMED = (
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, FnIndexInferError,
    httpx.InvalidURL,
)  # fmt: skip
# Gradio builds URLs from these headers. Anything but a host makes it fail, at times in the queue, without an answer.
HOSTS = (b"host", b"x-forwarded-host")
HOST = re.compile(rb"([\w.-]*|\[[\da-fA-F:.]+\])(:\d{1,5})?")


class _RefusedError(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class Compressed(BrotliMiddleware):
    """Compresses text, and in Gradio's place: it leaves out the page itself, and does the rest less well."""

    def __init__(self, app: ASGIApp, /, **options: Any) -> None:
        async def plain(scope: Scope, receive: Receive, send: Send) -> None:
            headers = [(name, value) for name, value in scope.get("headers", ()) if name != b"accept-encoding"]
            await app({**scope, "headers": headers}, receive, send)

        super().__init__(plain, **options)

    def _is_compressible_file_type(self, scope: Scope) -> bool:
        page = _route(scope).rstrip("/") in ("", "/config", "/gradio_api/info", "/gradio_api/openapi.json")
        return page or bool(super()._is_compressible_file_type(scope))


class Guard:
    """ASGI middleware; a refused request is answered with a status of 400 or more and one sentence as JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, self._presence = app, Presence()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request and pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = _route(scope)
        started, body = False, _Body(receive, path)

        async def answer(message: Message) -> None:
            nonlocal started
            if body.refused and not started:
                return  # FastAPI's own answer to a body that could not be read
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                if message["status"] == 200 and (kept := _kept(path)):
                    headers["Cache-Control"] = kept
            await send(message)

        try:
            _check(scope, path)
            if path == UPLOAD:
                await anyio.to_thread.run_sync(delete_unfinished)
            with self._watched(scope, path):
                await (without(path) or self.app)(scope, body.receive, answer)
        except _RefusedError as error:
            body.refused = error
        if body.refused and not started:
            await _answer(body.refused.status, body.refused.sentence)(scope, receive, send)

    def _watched(self, scope: Scope, path: str) -> AbstractContextManager[None]:
        session = path.removeprefix(HEARTBEAT)
        return nullcontext() if session == path else self._presence.of(session, scope["app"])


def options() -> dict[str, Any]:
    """Options of FastAPI: every request passes the guard, and an unhandled error is answered with one sentence."""
    return {
        "middleware": [Middleware(Guard), Middleware(Compressed, quality=6)],
        "exception_handlers": {OSError: disk_refused, Exception: _failed},
        "openapi_url": None,
    }


def _route(scope: Scope) -> str:
    """The path without the proxy's prefix, whether or not the proxy passes the prefix on."""
    return str(scope["path"]).removeprefix(scope.get("root_path", "")) or "/"


def _kept(path: str) -> str | None:
    """How long a browser may keep an answer: what is named after its content never changes."""
    if path.startswith("/assets/"):
        return "public, max-age=31536000, immutable"
    return "private, max-age=3600, immutable" if path.startswith(FILE) else None


def _check(scope: Scope, path: str) -> None:
    if not OPEN.fullmatch(path):
        raise _RefusedError(404, "There is no such page.")
    if path.startswith(FILE) and uploaded_path(path.removeprefix(FILE)) is None:
        raise _RefusedError(403, "There is no such file.")
    # x-gradio-server: the address of Gradio's Node server, which does not run here. range: Gradio answers a request for
    # a part of a file with the request's own headers.
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in (b"x-gradio-server", b"range")]
    for name, value in scope["headers"]:
        if name in HOSTS and not all(HOST.fullmatch(host.strip()) for host in value.split(b",")):
            raise _RefusedError(400, "There is no such host.")
    if path.rstrip("/") == "/gradio_api/info":
        # Without a page Gradio caches the description with the host that the first client sent, and shows it to all
        # others; with one it writes the host of each request.
        scope["query_string"] += b"&page="
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if length.isdigit() and int(length) > MOST_BYTES:
        raise _RefusedError(413, _TOO_LONG)


class _Body:
    """The body of a request, limited in length, number of values and time."""

    def __init__(self, receive: Receive, path: str) -> None:
        self._receive, self._json = receive, path != UPLOAD
        self._bytes = self._values = 0
        self._whole, self._end = False, asyncio.get_running_loop().time() + SECONDS
        self.refused: _RefusedError | None = None

    async def receive(self) -> Message:
        """Return the next message; _RefusedError where a limit is passed."""
        if self._whole:  # the next message is the end of the connection, however long the answer takes
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

    def _refuse(self, status: int, sentence: str) -> _RefusedError:
        self.refused = _RefusedError(status, sentence)
        return self.refused


async def _failed(_request: Request, error: Exception) -> JSONResponse:
    """Answer an unhandled error; Starlette then raises it again, so that the server's log has the traceback."""
    if isinstance(error, MALFORMED) or getattr(error, "errno", None) in (errno.ENAMETOOLONG, errno.EINVAL):
        return _answer(400, "This request is malformed: reload the page, or see the API documentation in its footer.")
    return _answer(500, "The server failed to answer: try again later.")


def _answer(status: int, sentence: str) -> JSONResponse:
    # The rest of the body is not read: the server closes the connection.
    headers = {"Connection": "close", "X-Content-Type-Options": "nosniff"}
    return JSONResponse({"detail": sentence}, status, headers)


_TOO_LONG = f"A picture may have {MAX_MEGABYTES} MB, and this request is longer: crop the region of interest first."
