"""A model's files on the Hugging Face Hub, through the client's own cache.

`huggingface_hub` downloads, resumes, locks and stores. This module adds checks: of sizes before any content is
requested, of hashes after the download; and a branch keeps its commit until the new one has passed every check.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import _CACHED_NO_EXIST, HfApi, constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import are_progress_bars_disabled
from tqdm import tqdm

from dala.hub import transfer
from dala.hub.errors import HubError, MissingFileError, first_line
from dala.hub.transfer import Bar, Transfer
from dala.progress import Progress

__all__ = ["Repository", "another_file", "cached", "download", "intact", "reporting"]

T = TypeVar("T")

SHA1, SHA256 = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")


def cached(repo: str, names: Sequence[str], revision: str | None, cache_dir: str | Path | None = None) -> Path | None:
    """Return the folder in the cache with these files of one commit, without a request; None if one is missing.

    A branch refers to the commit that it had when it was last downloaded.

    Raises:
        HubError: not a valid id of a repository.
    """
    cache = Path(cache_dir).expanduser() if cache_dir else None
    try:
        files = [try_to_load_from_cache(repo, name, cache, revision) for name in names]
    except HFValidationError as error:
        raise HubError(f"{repo}: no such folder here, and not a Hub id: {first_line(error)}.") from error
    return Path(str(files[0])).parent if all(isinstance(file, str) for file in files) else None


def intact(file: Path, stated: str | None = None) -> bool:
    """Return whether a file has the content that the Hub stated, by SHA-256 or, for small files, by git's SHA-1.

    Args:
        file: in the cache.
        stated: None for the name of the blob that the file links to; without links in the file system nothing is
            known, and the result is True.
    """
    stated = stated or (file.readlink().name if file.is_symlink() else "")
    if SHA256.fullmatch(stated):
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == stated
    if not SHA1.fullmatch(stated):
        return True
    content = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == stated


def download(
    repo: str,
    names: Sequence[str],
    check: Callable[[Path], T],
    revision: str | None = None,
    *,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    progress: Progress | None = None,
    most: int | None = None,
    force: bool = False,
) -> tuple[T, Path]:
    """Download files of one commit into the cache; the branch refers to that commit once they have passed `check`.

    Args:
        repo: "user/repo".
        names: files in the repository's top folder.
        check: called with the folder of the commit; raises if the files cannot be used.
        revision: a branch, tag or commit; None for `main`.
        token: None for the one the client is logged in with, or `HF_TOKEN`.
        cache_dir: None for the client's own, in `HF_HOME`.
        progress: None for a bar on a terminal's stderr, if the download takes longer than a second.
        most: largest size of a file, in bytes.
        force: download also files that are in the cache.

    Returns:
        The result of `check`, and the folder in the cache, named by the commit's hash.

    Raises:
        HubError: the Hub cannot be reached, refuses, or sends something else than it states; the disk is full.
        MissingFileError: the revision has no such file.
    """
    source = Repository(repo, token, Path(cache_dir or constants.HF_HUB_CACHE).expanduser())
    with reporting(repo, progress) as report:
        folder = transfer.run(partial(source.files, names, revision, force), Transfer(repo, most), report)
    result = check(folder)
    if cached(repo, names, revision, source.cache) != folder:
        with suppress(HubError):  # a request for a file of the branch makes the client note the branch's commit
            transfer.run(partial(source.file, names[-1], revision), Transfer(repo, most), _ignore)
    return result, folder


def another_file(
    folder: Path, repo: str, name: str, token: str | bool | None = None, most: int | None = None
) -> Path | None:
    """Return another file of the commit whose `folder` is in the cache; None if the commit has no such file.

    That a file does not exist is cached, too.

    Raises:
        HubError: the Hub cannot be reached or refuses, or the file is larger than `most` bytes.
    """
    source = Repository(repo, token, folder.parents[2])
    known = try_to_load_from_cache(repo, name, source.cache, folder.name)
    if known is _CACHED_NO_EXIST:
        return None
    if isinstance(known, str):
        return Path(known)
    try:
        # No bar: it would disappear at once.
        return transfer.run(partial(source.file, name, folder.name), Transfer(repo, most), _ignore)
    except MissingFileError:
        return None


@dataclass(frozen=True)
class Repository:
    """A repository, the token for it, the cache of its files, and its kind: "model" or "dataset"."""

    repo: str
    token: str | bool | None
    cache: Path
    kind: str = "model"

    def files(self, names: Sequence[str], revision: str | None, force: bool, state: Transfer) -> Path:
        """Download files of one commit with the sizes and hashes that the Hub states; return the commit's folder."""
        commit, sizes, digests = self.listing(names, revision, state)
        state.total = sum(sizes.values())
        for name in names:
            file = self.file(name, commit, state, sizes[name], force)
            if not force and not intact(file, digests[name]):
                # A damaged file may have been in the cache already: download it again.
                state.before -= sizes[name]
                file = self.file(name, commit, state, sizes[name], force=True)
            if not intact(file, digests[name]):
                with suppress(OSError):
                    file.resolve().unlink()
                raise HubError(
                    f"{self.repo}: the content of {name} has another hash than the Hub states, so nothing was kept; "
                    "try again later, or from another network."
                )
        return file.parents[names[-1].count("/")]

    def names(self, revision: str | None, state: Transfer) -> tuple[str, list[str]]:
        """Request the commit of a revision, and the names of its files."""
        info = self._info(revision, state)
        return str(info.sha), [file.rfilename for file in info.siblings or ()]

    def listing(
        self, names: Sequence[str], revision: str | None, state: Transfer
    ) -> tuple[str, dict[str, int], dict[str, str | None]]:
        """Request the commit of a revision, and the files' sizes in bytes and hashes."""
        info = self._info(revision, state)
        files = {file.rfilename: file for file in info.siblings or ()}
        for name in names:
            if name not in files:
                raise MissingFileError(self.repo, name, tuple(files))
            if error := state.too_large(name, files[name].size or 0):
                raise error
        digests = {name: lfs.sha256 if (lfs := files[name].lfs) else files[name].blob_id for name in names}
        return str(info.sha), {name: files[name].size or 0 for name in names}, digests

    def _info(self, revision: str | None, state: Transfer) -> Any:
        request = partial(HfApi().repo_info, self.repo, repo_type=self.kind, revision=revision, files_metadata=True)
        info = state.attempt(partial(request, token=self.token, timeout=2 * transfer.PATIENCE), "")
        if not SHA1.fullmatch(str(info.sha)):
            raise HubError(f"{self.repo}: {constants.ENDPOINT} names no commit; look for a wrong HF_ENDPOINT.")
        return info

    def file(
        self, name: str, revision: str | None, state: Transfer, size: int | None = None, force: bool = False
    ) -> Path:
        """Return one file, from the cache if it is there and `force` is not set."""
        request = partial(hf_hub_download, self.repo, name, revision=revision, token=self.token, cache_dir=self.cache)
        options = {"force_download": force, "etag_timeout": 2 * transfer.PATIENCE, "tqdm_class": Bar}
        options["repo_type"] = self.kind
        return Path(state.attempt(partial(request, **options), name, size))


def _ignore(done: int, total: int) -> None:
    pass


@contextmanager
def reporting(repo: str, progress: Progress | None) -> Iterator[Progress]:
    """Yield a function that shows progress: the caller's own, or a bar on a terminal."""
    hidden = True if progress or are_progress_bars_disabled() else None  # None: hidden where stderr is no terminal
    last: tuple[int, int] | None = None
    with tqdm(desc=repo, unit="B", unit_scale=True, delay=1, leave=False, disable=hidden) as bar:

        def report(done: int, total: int) -> None:
            nonlocal last
            bar.total = total
            bar.update(done - bar.n)
            if progress and total and last != (done, total):
                if last is None and done:
                    progress(0, total)
                last = (done, total)
                progress(done, total)

        yield report
