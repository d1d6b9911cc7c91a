"""One file from the Hugging Face Hub: what the Hub states of it, its bytes, and failures told apart.

Requests go through the client's session, with its endpoint, proxies and token. What surrounds them is our own: the
client tries for 23 s without a word where nobody answers, does not end where every answer breaks off, and takes content
of the right size for the right content.
"""

import hashlib
import os
import re
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TypeVar

from huggingface_hub import constants, get_hf_file_metadata, get_session, hf_hub_url, hf_raise_for_status
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers

from dala.errors import DalaError

__all__ = ["HubError", "NotThereError", "RemoteFile", "disk", "first_line"]

T = TypeVar("T")

# Seconds without a byte after which nobody is there, and pauses before other tries where somebody is: after the last
# byte come at the longest 1.5 s and one more silence, and on the command line the interpreter's leave: under ten.
PATIENCE = constants.HF_HUB_DOWNLOAD_TIMEOUT if "HF_HUB_DOWNLOAD_TIMEOUT" in os.environ else 6
WAITS = (0.5, 1.0, 1.5)
COMMIT, SHA256 = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")
# By name, since the classes are httpx's in one version of the client and httpx2's in the next.
SILENT = {"TimeoutError", "ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout"}
BROKEN = {"ReadError", "WriteError", "CloseError", "RemoteProtocolError"}


class HubError(DalaError):
    """The Hub is not reached, refuses, or sends what it should not; the message names the repository and why."""


class NotThereError(HubError):
    """The repository has no file of this `name` at this revision."""

    def __init__(self, repo: str, name: str) -> None:
        super().__init__(f"{repo}: holds no {name}.")
        self.name = name


class _PassingError(Exception):
    """What another try may mend, `wait` seconds later at the earliest."""

    def __init__(self, reason: str, wait: float = 0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class RemoteFile:
    """A file of one commit, as the Hub states it.

    Attributes:
        repo: "user/repo".
        name: path in the repository.
        commit: hash of the commit.
        size: in bytes; None where the Hub does not tell.
        sha256: in hexadecimal; None for small files, of which the Hub tells another hash.
        token: as the client takes it; None for the one it is logged in with, or `HF_TOKEN`.
    """

    repo: str
    name: str
    commit: str
    size: int | None
    sha256: str | None
    token: str | bool | None

    @classmethod
    def find(cls, repo: str, name: str, revision: str | None, token: str | bool | None) -> "RemoteFile":
        """Ask the Hub for a file of a branch, tag or commit; None is `main`.

        Raises:
            HubError, NotThereError: there is none, or no answer.
        """
        waits = iter(WAITS)
        while True:
            try:
                with _judged(repo, name, revision):
                    url = hf_hub_url(repo, name, revision=revision)
                    stated = _within(partial(get_hf_file_metadata, url, token=token, timeout=PATIENCE))
                break
            except _PassingError as error:
                _pause(repo, error, waits)
        if not stated.etag or not stated.commit_hash or not COMMIT.fullmatch(stated.commit_hash):
            raise HubError(
                f"{repo}: {constants.ENDPOINT} does not answer as a Hub does; look for a network that wants a login "
                "first, a proxy, or a wrong HF_ENDPOINT."
            )
        sha256 = stated.etag if SHA256.fullmatch(stated.etag) else None
        return cls(repo, name, stated.commit_hash, stated.size, sha256, token)

    def receive(self, to: Path, most: int | None = None) -> Iterator[int]:
        """Write the file to `to`, going on where a connection broke off; yields how many bytes are there.

        Raises:
            HubError: no connection lasts, or what came is not what was stated, or is longer than `most` bytes.
        """
        most = self.size if self.size is not None else most
        done, best, waits = 0, 0, iter(WAITS)
        with disk(self.repo), to.open("wb"):
            pass
        while True:
            try:
                for length in self._append(to, done):
                    done = length
                    if most is not None and done > most:
                        raise HubError(f"{self.repo}: {self.name} is longer than the {most:,} bytes expected.")
                    yield done
                if self.size is None or done == self.size:
                    break
                raise _PassingError(f"{self.name} broke off after {done:,} of {self.size:,} bytes")
            except _PassingError as error:
                if done > best:
                    best, waits = done, iter(WAITS)
                _pause(self.repo, error, waits)
        with disk(self.repo), to.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if self.sha256 not in (None, digest):
            raise HubError(
                f"{self.repo}: what came as {self.name} has another SHA-256 than the Hub states, so nothing was kept; "
                "try again later, or from another network."
            )

    def _append(self, to: Path, start: int) -> Iterator[int]:
        with closing(self._pieces(start)) as pieces, to.open("r+b", buffering=0) as stream:
            for at, piece in pieces:
                with disk(self.repo):
                    # Back to 0 where a server cannot go on in the middle.
                    stream.seek(at)
                    stream.truncate()
                    # Unbuffered, so that nothing is left to fail at closing; a nearly full disk takes a part only.
                    rest = memoryview(piece)
                    while rest:
                        rest = rest[stream.write(rest) :]
                yield at + len(piece)

    def _pieces(self, start: int) -> Generator[tuple[int, bytes], None, None]:
        url = hf_hub_url(self.repo, self.name, revision=self.commit)
        headers = {**build_hf_headers(token=self.token), "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        with _judged(self.repo, self.name, self.commit):
            client = get_session()
            request = client.build_request("GET", url, headers=headers, timeout=PATIENCE)
            with closing(_within(partial(client.send, request, stream=True, follow_redirects=True))) as response:
                hf_raise_for_status(response)
                at = start if response.status_code == 206 else 0
                for piece in response.iter_bytes():
                    yield at, piece
                    at += len(piece)


@contextmanager
def disk(repo: str) -> Iterator[None]:
    """Turn what the file system refuses into one sentence."""
    try:
        yield
    except OSError as error:
        raise HubError(
            f"{repo}: cannot be kept on this disk ({error.strerror}); make room, or name another place in HF_HOME."
        ) from error


def first_line(error: Exception) -> str:
    """Of what an exception says, what fits into a sentence."""
    return (str(error).splitlines() or [""])[0].rstrip(".") or type(error).__name__


def _within(call: Callable[[], T]) -> T:
    # In a thread: looking a name up, and trying its addresses one after the other, escape the client's own timeout.
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    Thread(target=work, daemon=True).start()
    return answer.result(PATIENCE)


def _pause(repo: str, error: _PassingError, waits: Iterator[float]) -> None:
    pause = next(waits, None)
    if pause is None or error.wait > max(WAITS):
        raise HubError(f"{repo}: {error}.") from error
    time.sleep(max(pause, error.wait))


@contextmanager
def _judged(repo: str, name: str, revision: str | None) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise _verdict(error, repo, name, revision) from error


def _verdict(error: Exception, repo: str, name: str, revision: str | None) -> Exception:
    page = f"{constants.ENDPOINT}/{repo}"
    for kind, reason in (
        (OfflineModeIsEnabled, "not in the cache, and HF_HUB_OFFLINE forbids asking the Hub"),
        (HFValidationError, f"no such folder here, and not a Hub id: {first_line(error)}"),
        (GatedRepoError, f"gated; ask for access at {page}, then log in with `hf auth login` or set HF_TOKEN"),
        (RevisionNotFoundError, f"has no revision {revision!r}"),
        (RepositoryNotFoundError, "no such repository on the Hub, or a private one, and no such folder here"),
    ):
        if isinstance(error, kind):
            return HubError(f"{repo}: {reason}.")
    if isinstance(error, EntryNotFoundError):
        return NotThereError(repo, name)
    if isinstance(error, HfHubHTTPError):
        return _status(error, repo)
    if type(error).__name__ in BROKEN:
        return _PassingError(f"the connection broke off at {name} ({first_line(error)})")
    why = f"no answer within {PATIENCE:g} s" if type(error).__name__ in SILENT else first_line(error)
    return HubError(f"{repo}: {constants.ENDPOINT} was not reached ({why}).")


def _status(error: HfHubHTTPError, repo: str) -> Exception:
    status, after = error.response.status_code, error.response.headers.get("Retry-After", "")
    if status in (408, 429) or status >= 500:
        wait = int(after) if after.isdecimal() else 0
        why = "too many requests" if status == 429 else "out of order"
        when = f"in {wait} s" if wait else "later"
        return _PassingError(f"{constants.ENDPOINT} answers {status}, {why}; try again {when}", wait)
    if status in (401, 403):
        return HubError(
            f"{repo}: {constants.ENDPOINT} answers {status}, access refused; log in with `hf auth login` as somebody "
            "who may read it, or set HF_TOKEN."
        )
    return HubError(f"{repo}: {constants.ENDPOINT} answers {status} ({first_line(error)}).")
