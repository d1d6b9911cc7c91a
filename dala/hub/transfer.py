"""Run calls of `huggingface_hub` with a time limit.

The client alone has no limit that an app can rely on. A silent server takes 10 s for each of six attempts, after a
status 429 the client waits as long as the server says, and for a name server, or a header that arrives byte by byte, it
waits forever. This module adds three things through public interfaces: a call runs in a thread, which its caller
abandons if nothing arrives for `PATIENCE` seconds; hooks on the client's HTTP session refuse responses for which the
client would wait, and repeated requests if the last one brought no data; the same hooks check the sizes before the
content. Everything else, such as resuming and locks, is left to the client.
"""

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar
from threading import Lock, Thread
from typing import Any, TypeVar

from huggingface_hub import constants, get_session
from tqdm import tqdm

from dala.errors import DalaError
from dala.hub.errors import HubError, TransientError, busy, explain

__all__ = ["PATIENCE", "Bar", "Transfer", "run"]

T = TypeVar("T")

# Seconds without a byte after which the Hub counts as not reached, and pauses in seconds before new attempts after a
# response that asks for them. The client's own read timeout, 10 s, ends the abandoned thread.
PATIENCE: float = constants.HF_HUB_DOWNLOAD_TIMEOUT if "HF_HUB_DOWNLOAD_TIMEOUT" in os.environ else 6
PAUSES = (0.5, 1.0, 1.5)
POLL = 0.1  # seconds between two checks of a running call
GRACE = 0.5  # seconds in which an abandoned call can remove its unfinished file
NAME = "dala-hub"  # of the threads
LOCK = Lock()


class _AbandonedError(Exception):
    """Raised in the thread of a call that its caller has abandoned."""


class Transfer:
    """State of one call, shared by its thread, the hooks of the HTTP session, and the caller that waits.

    Args:
        repo: "user/repo".
        most: largest size of a file, in bytes.

    Attributes:
        total: bytes of all files, as far as the Hub states them.
        before: bytes of the files that are complete.
        received: bytes that have arrived; does not decrease if a file begins again.
        waiting: whether a request is pending.
        last_progress: time of the last progress.
        last_error: the error of the last attempt.
    """

    def __init__(self, repo: str, most: int | None = None) -> None:
        self.repo, self.most = repo, most
        self.name, self.size = "", None  # type: tuple[str, int | None]
        self.total = self.before = self.received = self.offset = 0
        self.abandoned = self.waiting = False
        self.last_progress = time.monotonic()
        self.response: Any = None
        self.requests: dict[tuple[str, str], int] = {}
        self.last_error: HubError | None = None

    def attempt(self, call: Callable[[], T], name: str, size: int | None = None) -> T:
        """Call the client, again after a pause if the Hub asks for it; `name` is the file, "" for the repository.

        Raises:
            HubError: as for `run`.
        """
        self.name, self.size = name, size
        for pause in (*PAUSES, None):
            self.requests.clear()
            try:
                result = call()
                break
            except (_AbandonedError, DalaError):
                raise
            except Exception as error:
                reason = error if isinstance(error, TransientError) else explain(error, self.repo, name)
                if isinstance(reason, HubError):
                    raise reason from error
                self.last_error = HubError(f"{self.repo}: {reason}.")
                if pause is None or reason.wait > max(PAUSES):
                    raise self.last_error from error
                time.sleep(max(pause, reason.wait))
        self.before += size or 0
        self.offset, self.response, self.waiting, self.last_error = 0, None, False, None
        self.advance(self.before)
        return result

    def position(self) -> int:
        """Return the bytes that have arrived so far."""
        if self.response is not None:
            self.advance(self.before + self.offset + self.response.num_bytes_downloaded)
        return self.received

    def advance(self, position: int) -> None:
        """Store how many bytes have arrived."""
        if position > self.received:
            self.received, self.last_progress, self.last_error = position, time.monotonic(), None

    def too_large(self, name: str, size: int) -> HubError | None:
        """Return an error if `size` bytes are more than the Hub stated, or more than is read."""
        if self.size is not None and size > self.size:
            return HubError(f"{self.repo}: {name} is longer than the {self.size:,} bytes expected.")
        if self.most is not None and size > self.most:
            return HubError(f"{self.repo}: {name} has {size:,} bytes, and {self.most:,} is the most that is read.")
        return None


_CURRENT: ContextVar[Transfer | None] = ContextVar("_CURRENT", default=None)


class Bar(tqdm):
    """A progress bar for the client that displays nothing and counts bytes for the transfer.

    Plain HTTP is counted here in pieces of 10 MB, and more finely by the hooks; Xet, which has its own connections, is
    counted here only.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "disable": True})
        self.transfer = _CURRENT.get() or Transfer("")

    def update(self, n: float | None = 1) -> None:
        """Count `n` more bytes; raises if they are too many or the call is abandoned."""
        self.n += n or 0
        self.transfer.advance(self.transfer.before + int(self.n))
        if self.transfer.abandoned:
            raise _AbandonedError
        if error := self.transfer.too_large(self.transfer.name, int(self.n)):
            raise error

    def update_transfer(self, n: float | None = 1) -> None:
        """Note progress: Xet has received bytes that it has not written yet."""
        self.transfer.last_progress = time.monotonic()

    def set_transfer_postfix_str(self, *args: Any, **options: Any) -> None:
        """Ignore Xet's rate."""


def run(call: Callable[[Transfer], T], transfer: Transfer, report: Callable[[int, int], None]) -> T:
    """Run `call(transfer)` in a thread and wait for it, calling `report` with (bytes done, total) meanwhile.

    Raises:
        HubError: the Hub is not reached within `PATIENCE` seconds, refuses, or sends something unexpected; the disk is
            full or read-only. An exception from `report` abandons the call.
    """
    answer: Future[T] = Future()

    def work() -> None:
        _CURRENT.set(transfer)
        try:
            answer.set_result(call(transfer))
        except BaseException as error:
            answer.set_exception(error)

    _attach()
    thread = Thread(target=work, name=NAME, daemon=True)
    thread.start()
    try:
        while not answer.done():
            thread.join(POLL)
            report(transfer.position(), transfer.total)
            if transfer.waiting and time.monotonic() - transfer.last_progress > PATIENCE and not answer.done():
                silence = f"{constants.ENDPOINT} was not reached (no answer within {PATIENCE:g} s)"
                raise transfer.last_error or HubError(f"{transfer.repo}: {silence}.")
        return answer.result()
    finally:
        transfer.abandoned = True
        thread.join(GRACE)


def _attach() -> None:
    """Add the hooks to the client's session, which the client replaces when a connection fails."""
    with LOCK:
        hooks = get_session().event_hooks
        if _on_request not in hooks["request"]:
            request: list[Callable[..., Any]] = [*hooks["request"], _on_request]
            get_session().event_hooks = {"request": request, "response": [*hooks["response"], _on_response]}


def _on_request(request: Any) -> None:
    transfer = _CURRENT.get()
    if transfer is None:
        return
    if transfer.abandoned:
        raise _AbandonedError
    place, position = (request.method, str(request.url)), transfer.position()
    if transfer.requests.get(place) == position:
        raise TransientError(f"the connection broke off at {transfer.name}")
    transfer.requests[place] = position
    transfer.response = None
    if not transfer.waiting and transfer.last_error is None:
        transfer.last_progress = time.monotonic()  # the client may have waited for a lock
    transfer.waiting = True


def _on_response(response: Any) -> None:
    transfer = _CURRENT.get()
    if transfer is None:
        return
    status, headers = response.status_code, response.headers
    if error := busy(status, headers.get("Retry-After", "")):
        raise error
    linked = headers.get("X-Linked-Size")  # of a large file, also in the redirect to its host
    if not transfer.name or (status >= 300 and not linked):
        return
    length = linked or headers.get("Content-Length", "")
    start = headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0] if status == 206 else ""
    transfer.offset = int(start) if start.isdecimal() else 0
    if length.isdecimal() and (excess := transfer.too_large(transfer.name, transfer.offset + int(length))):
        raise excess
    if response.request.method == "HEAD":
        transfer.waiting = False
    else:
        transfer.response = response


# The sentence of an error contains what the client logs of a failed attempt.
for _handler in logging.getLogger("huggingface_hub").handlers:
    _handler.addFilter(lambda record: record.threadName != NAME)
