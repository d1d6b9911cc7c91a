"""The parquet files of a data set on the Hugging Face Hub."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from huggingface_hub import constants

from dala.hub import transfer
from dala.hub.cache import Repository, reporting
from dala.hub.errors import HubError
from dala.hub.transfer import Transfer
from dala.progress import Progress

__all__ = ["download", "listing"]

README = "README.md"


def listing(repo: str, revision: str | None = None, token: str | bool | None = None) -> tuple[str, list[str]]:
    """Return the commit of a revision, and the names of its parquet files and of its README.

    Raises:
        HubError: the Hub cannot be reached or refuses, or the data set has no parquet files.
    """
    source = _repository(repo, token)
    with reporting(repo, None) as report:
        commit, names = transfer.run(partial(source.names, revision), Transfer(repo), report)
    chosen = [name for name in names if name.endswith(".parquet")]
    if not chosen:
        raise HubError(f"{repo}: holds no parquet files: download its pictures, and name their folder.")
    return commit, [*sorted(chosen), *(name for name in names if name == README)]


def download(
    repo: str, names: Sequence[str], commit: str, *, token: str | bool | None = None, progress: Progress | None = None
) -> list[Path]:
    """Download files of a commit into the client's cache, and return their paths.

    Raises:
        HubError: the Hub cannot be reached, refuses, or sends something else than it states; the disk is full.
    """
    source = _repository(repo, token)
    with reporting(repo, progress) as report:
        folder = transfer.run(partial(source.files, names, commit, False), Transfer(repo), report)
    return [folder / name for name in names]


def _repository(repo: str, token: str | bool | None) -> Repository:
    return Repository(repo, token, Path(constants.HF_HUB_CACHE).expanduser(), "dataset")
