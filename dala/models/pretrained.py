"""Load a network from a folder, a file or the Hugging Face Hub, checked before anything runs."""

import os
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import nn

from dala import files
from dala.files import ROOT
from dala.hub import cache
from dala.models import serialization
from dala.models.serialization import CONFIG, FILE, WeightsError
from dala.progress import Progress

__all__ = ["SHIPPED", "LoadedModel", "load", "load_from_hub"]

# The weights that come with the project: a checkout's folder, else the copy inside the installed package.
SHIPPED = ROOT / "weights" if (ROOT / "weights" / FILE).is_file() else Path(files.__file__).with_name("shipped")
MISSING = (
    "this installation has no weights; name a folder or a Hub id with --model or in DALA_MODEL, or copy the project's "
    "folder weights/ there."
)
HUB_ID = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>\w(?!.*\.\.)[\w./-]*))?")
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class LoadedModel(Generic[M]):
    """A network that passed every check, in evaluation mode.

    Attributes:
        model: the network, fp32 on the CPU.
        source: where it came from, as a person would write it: "weights", "folder", "user/repo".
        revision: commit hash on the Hub, None for a local folder.
        sha256: of the safetensors file.
        folder: holds `config.json`; for the Hub, the commit's folder in the cache.
    """

    model: M
    source: str
    revision: str | None
    sha256: str
    folder: Path

    def beside(self, name: str, token: str | bool | None = None, most: int | None = None) -> Path | None:
        """A file published with the weights, such as "README.md"; None where there is none.

        From the Hub it is downloaded at the first request, if it has at most `most` bytes.

        Raises:
            HubError: the Hub is not reached, or refuses.
        """
        if self.revision is not None:
            return cache.another_file(self.folder, self.source, name, token, most)
        return self.folder / name if (self.folder / name).is_file() else None


def load(
    cls: type[M],
    source: str | Path | None = None,
    *,
    progress: Progress | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
) -> LoadedModel[M]:
    """Load and check a network.

    From the Hub, what is in the cache is used without a request: a commit never changes, and a branch stays at the
    cached commit until `force_download` or `hf download user/repo` fetches the current one. A branch moves to the new
    commit once its files have passed every check.

    Args:
        cls: class of the network.
        source: a folder with `model.safetensors` and `config.json`, the path of such a safetensors file, or a Hub id
            `user/repo[@revision]`, in this order. None: the environment's `DALA_MODEL`, else the folder shipped with
            the project.
        progress: called with the bytes done and the bytes in all while a download runs; raise in it to cancel. None: a
            bar on a terminal's stderr, where it takes longer than a moment.
        token, cache_dir, force_download, local_files_only: of a Hub id, as in `hf_hub_download`.

    Raises:
        WeightsError: not there, not safetensors, keys or shapes that do not fit, values that are not finite, a SHA-256
            other than the config's or the Hub's, or a Hub that is not reached.
    """
    source = str(source or os.environ.get("DALA_MODEL") or SHIPPED)
    path = Path(source)
    if _exists(path):
        return _read(cls, path, path / FILE) if path.is_dir() else _read(cls, path.parent, path)
    if path == SHIPPED:
        raise WeightsError(f"{source}: {MISSING}")
    if not HUB_ID.fullmatch(source) or path.suffix == ".safetensors":
        raise WeightsError(f"{source}: no such folder or file, and not a Hub id like user/repo or user/repo@revision.")
    options: dict[str, Any] = {"token": token, "cache_dir": cache_dir, "progress": progress}
    return _from_hub(cls, source, force_download, local_files_only, options)


def load_from_hub(cls: type[M], source: str, progress: Progress | None = None) -> LoadedModel[M]:
    """As `load`, from the Hub only: no local folder is opened, so that `source` may come from an untrusted user.

    Raises:
        WeightsError: not such an id, and as for `load`.
    """
    if not HUB_ID.fullmatch(source):
        raise WeightsError(f"{source[:80]!r} is not a Hub id like user/repo or user/repo@revision.")
    return _from_hub(cls, source, False, False, {"progress": progress})


def _read(cls: type[M], folder: Path, file: Path) -> LoadedModel[M]:
    model, digest = serialization.read(cls, folder, file)
    return LoadedModel(model, files.readable(folder.resolve().name), None, digest, folder)


def _from_hub(cls: type[M], source: str, force: bool, offline: bool, options: dict[str, Any]) -> LoadedModel[M]:
    repo, _, branch = source.partition("@")
    revision, damage = branch or None, ""
    try:
        folder = None if force else cache.cached(repo, (FILE, CONFIG), revision, options.get("cache_dir"))
        if folder:
            try:
                return replace(_read_cached(cls, folder), source=repo, revision=folder.name)
            except WeightsError as error:
                damage = f"{error} A fresh copy was not to be had: "
        if offline:
            raise WeightsError(f"{damage}{repo}: not in the cache, and local_files_only forbids requests to the Hub.")
        return _download(cls, repo, revision, options | {"force": force or bool(damage)})
    except cache.HubError as error:
        raise WeightsError(f"{damage}{error}") from error


def _read_cached(cls: type[M], folder: Path) -> LoadedModel[M]:
    loaded = _read(cls, folder, folder / FILE)
    for file in (folder / FILE, folder / CONFIG):
        if not cache.intact(file):
            raise WeightsError(f"{file}: its hash is not the one that the Hub stated, so the file is damaged.")
    return loaded


def _download(cls: type[M], repo: str, revision: str | None, options: dict[str, Any]) -> LoadedModel[M]:
    def check(folder: Path) -> LoadedModel[M]:
        try:
            return _read(cls, folder, folder / FILE)
        except WeightsError as error:
            raise WeightsError(str(error).replace(str(folder), repo)) from error

    request = partial(cache.download, repo, (FILE, CONFIG), check, revision, most=serialization.MOST_BYTES)
    try:
        loaded, folder = request(**options)
    except cache.MissingFileError as error:
        if error.name == FILE and serialization.PICKLE in error.others:
            raise WeightsError(serialization.only_pickle(repo, serialization.PICKLE)) from error
        raise WeightsError(f"{error} Weights are {FILE} with {CONFIG}; other formats are not read.") from error
    return replace(loaded, source=repo, revision=folder.name)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False
