"""Upload a folder to the Hugging Face Hub; a failure is one sentence."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import CommitInfo, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from huggingface_hub.utils import validate_repo_id

from dala.errors import DalaError

__all__ = ["Repository", "UploadError", "client", "send", "sentences"]

NO_TOKEN = "Publishing needs an account on the Hub: log in with `hf auth login`, or set HF_TOKEN."  # noqa: S105  a sentence  # nosec B105
REASONS = {
    401: "the Hub does not accept the token: log in again with `hf auth login`, or set HF_TOKEN",
    402: "the Hub asks for a subscription for this",
    403: "the token may not write there: take one with write access to it",
    404: "no such repository on the Hub, or one that the token does not reach",
}


class UploadError(DalaError):
    """A folder that cannot be uploaded to the Hub; the message says why."""


@dataclass(frozen=True)
class Repository:
    """A repository to upload a folder to.

    Attributes:
        id: "user/name".
        kind: "model" or "space".
        private: None leaves it to the account; True is refused if the repository exists and is public.
        hardware: of a new Space; None for the Hub's default.
        variables: environment variables of a Space.
        owned: patterns of files that are deleted there if the folder does not contain them; all others stay.

    Raises:
        UploadError: the id is not of this form.
    """

    id: str
    kind: str = "model"
    private: bool | None = None
    hardware: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    owned: Sequence[str] = ()

    def __post_init__(self) -> None:
        try:
            validate_repo_id(self.id)
            named = self.id.count("/") == 1
        except HFValidationError:
            named = False
        if not named:
            raise UploadError(f"{self.id!r} is not a repository on the Hub: write it as user/name.")


def client(token: str | None = None) -> HfApi:
    """Return the Hub's client, logged in.

    Raises:
        UploadError: no token as an argument, in HF_TOKEN, or saved by `hf auth login`.
    """
    if not (token or get_token()):
        raise UploadError(NO_TOKEN)
    return HfApi(token=token)


def send(folder: Path, to: Repository, api: HfApi, message: str, **commit: Any) -> CommitInfo:
    """Create the repository if it does not exist, and upload a folder as one commit.

    Args:
        folder: all files in it and its subfolders are uploaded.
        to: the repository.
        api: see `client`.
        message: of the commit.
        commit: `revision` and `create_pr` of `HfApi.upload_folder`.

    Raises:
        UploadError: refused, not reached, or a public repository where a private one was requested.
    """
    space: dict[str, Any] = {"space_sdk": "gradio", "space_hardware": to.hardware} if to.kind == "space" else {}
    with sentences(to.id, api):
        api.create_repo(to.id, repo_type=to.kind, private=to.private, exist_ok=True, **space)
        if to.private and not api.repo_info(to.id, repo_type=to.kind).private:
            raise UploadError(f"{to.id} is there already, and public: nothing was sent. Make it private on its page.")
        for key, value in to.variables.items():
            api.add_space_variable(to.id, key, value)
        return api.upload_folder(
            repo_id=to.id, repo_type=to.kind, folder_path=folder, commit_message=message,
            delete_patterns=list(to.owned) or None, **commit,
        )  # fmt: skip


@contextmanager
def sentences(repository: str, api: HfApi) -> Iterator[None]:
    """Turn exceptions of the Hub's client into an `UploadError` that names the repository."""
    try:
        yield
    except DalaError:
        raise
    except HfHubHTTPError as error:
        status = error.response.status_code
        reason = REASONS.get(status, f"the Hub answered {status}: {_first_line(error.server_message or str(error))}")
        raise UploadError(f"{repository}: {reason}.") from error
    except OfflineModeIsEnabled as error:
        raise UploadError(f"{repository}: HF_HUB_OFFLINE is set, and nothing is sent offline.") from error
    except ValueError as error:  # the Hub refuses a card's metadata
        raise UploadError(f"{repository}: {' '.join(str(error).split()).rstrip('.')}.") from error
    # Exceptions of the HTTP library, httpx in version 1 of the client and httpx2 in version 2, have no common base.
    except Exception as error:
        reason = f"{api.endpoint} was not reached, or the connection broke: {_first_line(error)}"
        raise UploadError(f"{repository}: {reason}.") from error


def _first_line(error: Exception | str) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
