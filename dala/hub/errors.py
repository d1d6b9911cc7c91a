"""Failures of the Hub and of its client, each as one sentence: what is wrong, then what to do."""

from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from dala.errors import DalaError
from dala.files import REFUSALS

__all__ = ["HubError", "MissingFileError", "TransientError", "busy", "explain", "first_line"]


class HubError(DalaError):
    """The Hub cannot be reached, refuses, or sends something unexpected; the message names the repository and why."""


class MissingFileError(HubError):
    """The repository has no file `name` at this revision; `others` are its files, if they were listed."""

    def __init__(self, repo: str, name: str, others: tuple[str, ...] = ()) -> None:
        super().__init__(f"{repo}: holds no {name}.")
        self.name, self.others = name, others


class TransientError(Exception):
    """A failure that may not occur again in an attempt at least `wait` seconds later."""

    def __init__(self, reason: str, wait: float = 0) -> None:
        super().__init__(reason)
        self.wait = wait


def busy(status: int, retry_after: str) -> TransientError | None:
    """Return the error of an HTTP status that asks for another attempt, with its Retry-After; None for others."""
    if status not in (408, 429) and status < 500:
        return None
    wait = int(retry_after) if retry_after.isdecimal() else 0
    why, when = "too many requests" if status == 429 else "out of order", f"in {wait} s" if wait else "later"
    return TransientError(f"{constants.ENDPOINT} answers {status}, {why}; try again {when}", wait)


def explain(error: Exception, repo: str, name: str) -> HubError | TransientError:
    """Convert an exception of the client to a sentence; `name` is the requested file, "" for the repository."""
    if isinstance(error.__cause__, Exception) and isinstance(error, ValueError | FileNotFoundError):
        error = error.__cause__  # the client wraps why its first request failed
    for kind, reason in (
        (OfflineModeIsEnabled, "not in the cache, and HF_HUB_OFFLINE forbids requests to the Hub"),
        (LocalTokenNotFoundError, "token=True, but none is saved; log in with `hf auth login` or set HF_TOKEN"),
        (HFValidationError, f"no such folder here, and not a Hub id: {first_line(error)}"),
        (GatedRepoError, f"gated; request access at {constants.ENDPOINT}/{repo}, then log in with `hf auth login` or "
         "set HF_TOKEN"),
        (RevisionNotFoundError, "has no such revision"),
        (RepositoryNotFoundError, "no such repository on the Hub, or a private one, and no such folder here"),
    ):  # fmt: skip
        if isinstance(error, kind):
            return HubError(f"{repo}: {reason}.")
    if isinstance(error, RemoteEntryNotFoundError):
        return MissingFileError(repo, name)
    if isinstance(error, HfHubHTTPError):
        return _refusal(error.response.status_code, error, repo)
    if isinstance(error, OSError | ValueError | TypeError | KeyError):
        return _local(error, repo, name)
    # By name: the classes are httpx's in version 1 of the client, and httpx2's in version 2.
    if type(error).__name__ in ("ReadError", "WriteError", "CloseError", "RemoteProtocolError"):
        return TransientError(f"the connection broke off at {name or 'the list of files'} ({first_line(error)})")
    return HubError(f"{repo}: {constants.ENDPOINT} was not reached ({first_line(error)}).")


def first_line(error: Exception) -> str:
    """Return the first line of an exception's message, without its full stop."""
    return (str(error).splitlines() or [""])[0].rstrip(".") or type(error).__name__


def _refusal(status: int, error: Exception, repo: str) -> HubError:
    if status in (401, 403):
        return HubError(
            f"{repo}: {constants.ENDPOINT} answers {status}, access refused; log in with `hf auth login` as somebody "
            "who may read it, or set HF_TOKEN."
        )
    return HubError(f"{repo}: {constants.ENDPOINT} answers {status} ({first_line(error)}).")


def _local(error: Exception, repo: str, name: str) -> HubError:
    if isinstance(error, OSError) and error.errno in REFUSALS:
        return HubError(
            f"{repo}: cannot be kept on this disk ({error.strerror}); make room, or name another place in HF_HOME."
        )
    if isinstance(error, OSError) and "Consistency check failed" in str(error):
        return HubError(f"{repo}: {name} broke off before its end; try again later.")
    return HubError(
        f"{repo}: {constants.ENDPOINT} does not answer as a Hub does; look for a network that wants a login first, a "
        "proxy, or a wrong HF_ENDPOINT."
    )
