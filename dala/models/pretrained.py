"""Weights from a folder, a file or the Hugging Face Hub, checked before anything runs. Safetensors only."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from dala import files
from dala.hub import cache
from dala.models.dala_resnet import DALAResNet50
from dala.models.serialization import (
    CONFIG,
    FILE,
    MOST_BYTES,
    PICKLE,
    PICKLES,
    WeightsError,
    _build,
    _fill,
    _read_config,
    _some,
    read_state,
    sha256,
)
from dala.progress import Progress

__all__ = ["SHIPPED", "LoadedModel", "load", "load_from_hub"]

SHIPPED = files.ROOT / "weights"

HUB_ID = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>\w(?!.*\.\.)[\w./-]*))?")


@dataclass(frozen=True)
class LoadedModel:
    """A network that passed every check, in evaluation mode.

    Attributes:
        model: the network, fp32 on the CPU.
        source: where it came from, as a person would write it: "weights", "folder", "user/repo".
        revision: commit hash on the Hub, None for a local folder.
        sha256: of the safetensors file.
        folder: where `config.json` lies; for the Hub, the commit's folder in the cache.
    """

    model: DALAResNet50
    source: str
    revision: str | None
    sha256: str
    folder: Path

    def beside(self, name: str, token: str | bool | None = None, most: int | None = None) -> Path | None:
        """A file published with the weights, such as "README.md"; None where there is none.

        From the Hub it is downloaded when first asked for, if it has at most `most` bytes.

        Raises:
            HubError: the Hub is not reached, or refuses.
        """
        if self.revision is not None:
            return cache.beside(self.folder, self.source, name, token, most)
        return self.folder / name if (self.folder / name).is_file() else None


def load(
    source: str | Path | None = None,
    *,
    progress: Progress | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
) -> LoadedModel:
    """Load and check a DALAResNet50.

    From the Hub, what is in the cache is used without a request: a commit for ever, a branch as it was when it was last
    downloaded, until `force_download` or `hf download user/repo` fetches what it is now. A download takes the place of
    what the cache holds once it has passed every check.

    Args:
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
        return _read(path, path / FILE) if path.is_dir() else _read(path.parent, path)
    if not HUB_ID.fullmatch(source) or path.suffix == ".safetensors":
        raise WeightsError(f"{source}: no such folder or file, and not a Hub id like user/repo or user/repo@revision.")
    options: dict[str, Any] = {"token": token, "cache_dir": cache_dir, "progress": progress}
    return _from_hub(source, force_download, local_files_only, options)


def load_from_hub(source: str, progress: Progress | None = None) -> LoadedModel:
    """As `load`, of a Hub id alone: no folder of that name is looked at, so that a stranger may choose it.

    Raises:
        WeightsError: not such an id, and as for `load`.
    """
    if not HUB_ID.fullmatch(source):
        raise WeightsError(f"{source[:80]!r} is not a Hub id like user/repo or user/repo@revision.")
    return _from_hub(source, False, False, {"progress": progress})


def _read(folder: Path, file: Path) -> LoadedModel:
    try:
        if not file.is_file() and (pickles := sorted(f.name for f in folder.iterdir() if f.suffix in PICKLES)):
            raise WeightsError(_pickled(str(folder), _some(pickles)))
        config = _read_config(folder / CONFIG)
        if not file.is_file():
            raise WeightsError(f"{folder}: holds no {FILE}; other formats are not read.")
        if file.stat().st_size > MOST_BYTES:
            raise WeightsError(f"{file}: has more than {MOST_BYTES // 1_000_000} MB, and is no DALAResNet50.")
        digest = sha256(file)
    except OSError as error:
        raise WeightsError(f"{error.filename or file}: cannot be read: {error.strerror}.") from error
    if config.get("sha256") not in (None, digest):
        raise WeightsError(f"{file}: its SHA-256 is not the one in {CONFIG}, so the file is damaged or another one.")
    model = _build(config, folder / CONFIG).eval()
    _fill(model, read_state(file), file)
    # Finite weights may still be so large that no output is.
    with torch.inference_mode():
        if not model(torch.zeros(1, 3, 64, 64)).isfinite().all():
            raise WeightsError(f"{file}: its values are so large that the network's output is not a finite number.")
    return LoadedModel(model, files.readable(folder.resolve().name), None, digest, folder)


def _from_hub(source: str, force: bool, offline: bool, options: dict[str, Any]) -> LoadedModel:
    repo, _, branch = source.partition("@")
    revision, damage = branch or None, ""
    try:
        folder = None if force else cache.cached(repo, (FILE, CONFIG), revision, options.get("cache_dir"))
        if folder:
            try:
                return replace(_read(folder, folder / FILE), source=repo, revision=folder.name)
            except WeightsError as error:
                damage = f"{error} A fresh copy was not to be had: "
        if offline:
            raise WeightsError(f"{damage}{repo}: not in the cache, and local_files_only forbids asking the Hub.")
        return _download(repo, revision, options)
    except cache.HubError as error:
        raise WeightsError(f"{damage}{error}") from error


def _download(repo: str, revision: str | None, options: dict[str, Any]) -> LoadedModel:
    def check(folder: Path) -> LoadedModel:
        try:
            return _read(folder, folder / FILE)
        except WeightsError as error:
            raise WeightsError(str(error).replace(str(folder), repo)) from error

    try:
        loaded, folder = cache.download(repo, (FILE, CONFIG), check, revision, most=MOST_BYTES, **options)
    except cache.NotThereError as error:
        if error.name == FILE and cache.holds(repo, PICKLE, revision, options["token"]):
            raise WeightsError(_pickled(repo, PICKLE)) from error
        raise WeightsError(f"{error} Weights are {FILE} with {CONFIG}; other formats are not read.") from error
    return replace(loaded, source=repo, revision=folder.name, folder=folder)


def _pickled(where: str, names: str) -> str:
    return f"{where}: holds no {FILE} but a pickle ({names}), which can run any code as it is read, and is refused."


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False
