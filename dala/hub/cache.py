"""A model's files on the Hugging Face Hub: in the client's cache, or downloaded, checked, and only then put there.

The cache is the client's own, laid out as it does where links are not possible: what `hf download` put there is found
here, and `hf cache` finds what is put there from here.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import are_progress_bars_disabled
from tqdm import tqdm

from dala.hub.remote_file import HubError, NotThereError, RemoteFile, disk, first_line
from dala.progress import Progress

__all__ = ["beside", "cached", "download", "holds"]

T = TypeVar("T")

EVERY = 0.1  # seconds between two calls of a progress function
UNFINISHED, ABANDONED = ".dala-", 3600  # name of a download's own folder, and seconds after which nobody fills it


def cached(repo: str, names: Sequence[str], revision: str | None, cache_dir: str | Path | None = None) -> Path | None:
    """The folder in the cache that holds all these files of one commit, without a request; None where it is not whole.

    A branch stands for the commit that it had when it was last downloaded.
    """
    try:
        first = try_to_load_from_cache(repo, names[0], cache_dir, revision)
    except HFValidationError as error:
        raise HubError(f"{repo}: no such folder here, and not a Hub id: {first_line(error)}.") from error
    folder = Path(first).parent if isinstance(first, str) else None
    return folder if folder and all((folder / name).is_file() for name in names) else None


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
) -> tuple[T, Path]:
    """Files of one commit, put into the cache once they have passed; until then the cache stays as it was.

    Args:
        repo: "user/repo".
        names: paths in the repository.
        check: called with the folder in which the files lie for now; raises where they are of no use.
        revision: a branch, tag or commit; None for `main`.
        token: None for the one the client is logged in with, or `HF_TOKEN`.
        cache_dir: None for the client's own, in `HF_HOME`.
        progress: None for a bar on a terminal's stderr, where it takes longer than a moment.
        most: largest size of a file, in bytes.

    Returns:
        What `check` returned, and the folder in the cache, named by the commit's hash.

    Raises:
        HubError: the Hub is not reached, refuses, or sends something else than it states; the disk is full.
        NotThereError: a file that this revision does not have.
    """
    cache = Path(cache_dir or constants.HF_HUB_CACHE).expanduser()
    files: list[RemoteFile] = []
    for name in names:
        # The files of the very commit that the first one came from, even if the branch moves in between.
        files.append(RemoteFile.find(repo, name, files[0].commit if files else revision, token))
        if most is not None and (files[-1].size or 0) > most:
            raise HubError(f"{repo}: {name} has {files[-1].size:,} bytes, and {most:,} is the most that is read.")
    with disk(repo):
        cache.mkdir(parents=True, exist_ok=True)
        _sweep(cache)
        temporary = TemporaryDirectory(prefix=UNFINISHED, dir=cache, ignore_cleanup_errors=True)
    with temporary as place, _told(repo, progress) as tell:
        folder, before, total = Path(place), 0, sum(file.size or 0 for file in files)
        tell(0, total)
        for file in files:
            with disk(repo):
                (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
            done = 0
            for done in file.receive(folder / file.name, most):
                tell(before + done, total)
            before += done
        result = check(folder)
        with disk(repo):
            return result, _keep(folder, names, _storage(cache, repo), files[0].commit, revision)


def beside(folder: Path, repo: str, name: str, token: str | bool | None = None, most: int | None = None) -> Path | None:
    """Another file of the commit whose `folder` lies in the cache; None where there is none, which is asked once."""
    file = folder / name
    storage = folder.parent.parent
    absent = storage / ".no_exist" / folder.name / name
    if file.is_file():
        return file
    if absent.is_file():
        return None
    try:
        # A bar for each small file would come and go unread.
        download(
            repo, [name], _anything, folder.name, token=token, cache_dir=storage.parent, progress=_unheard, most=most
        )
    except NotThereError:
        with suppress(OSError):  # a cache that may only be read: the Hub is asked again next time
            absent.parent.mkdir(parents=True, exist_ok=True)
            absent.touch()
        return None
    return file


def holds(repo: str, name: str, revision: str | None, token: str | bool | None = None) -> bool:
    """Whether the Hub says that a repository has a file of this name."""
    try:
        RemoteFile.find(repo, name, revision, token)
    except HubError:
        return False
    return True


def _sweep(cache: Path) -> None:
    """Remove what killed downloads left: a living one writes, or gives up, within seconds."""
    for folder in cache.glob(f"{UNFINISHED}*"):
        with suppress(OSError):  # another process was quicker
            touched = max(file.stat().st_mtime for file in (folder, *folder.rglob("*")))
            if time.time() - touched > ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)


def _storage(cache: Path, repo: str) -> Path:
    return cache / f"models--{repo.replace('/', '--')}"


def _keep(folder: Path, names: Sequence[str], storage: Path, commit: str, revision: str | None) -> Path:
    snapshot = storage / "snapshots" / commit
    for name in names:
        (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).replace(snapshot / name)
    revision = revision or constants.DEFAULT_REVISION
    if revision != commit:
        reference = storage / "refs" / revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        (folder / "commit").write_text(commit, encoding="utf-8")
        (folder / "commit").replace(reference)
    return snapshot


def _anything(folder: Path) -> None:
    pass


def _unheard(done: int, total: int) -> None:
    pass


@contextmanager
def _told(repo: str, progress: Progress | None) -> Iterator[Progress]:
    hidden = True if progress or are_progress_bars_disabled() else None  # None: hidden where stderr is no terminal
    last = time.monotonic()
    with tqdm(desc=repo, unit="B", unit_scale=True, delay=1, leave=False, disable=hidden) as bar:

        def tell(done: int, total: int) -> None:
            nonlocal last
            bar.total = total
            bar.update(done - bar.n)
            if progress and (done in (0, total) or time.monotonic() - last >= EVERY):
                last = time.monotonic()
                progress(done, total)

        yield tell
