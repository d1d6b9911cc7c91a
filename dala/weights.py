"""Weights from a folder, a file or the Hugging Face Hub, checked before anything runs. Safetensors only."""

import hashlib
import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as packed
from torch import Tensor

from dala import disk, hub
from dala.errors import DalaError
from dala.model import DALAResNet50
from dala.strangers import read_json

__all__ = ["SHIPPED", "LoadedModel", "WeightsError", "load", "load_from_hub", "read_state", "save", "sha256"]

SHIPPED = Path(__file__).resolve().parent.parent / "weights"
FILE, CONFIG = "model.safetensors", "config.json"
HUB_ID = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>\w(?!.*\.\.)[\w./-]*))?")
DTYPES = {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64}  # int64: batch-norm's count
MOST_BYTES, MOST_CONFIG_BYTES = 500_000_000, 1_000_000
PICKLE, PICKLES = "pytorch_model.bin", {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}


class WeightsError(DalaError):
    """Weights that cannot be used; the message says what is wrong and where."""


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
            return hub.beside(self.folder, self.source, name, token, most)
        return self.folder / name if (self.folder / name).is_file() else None


def load(
    source: str | Path | None = None,
    *,
    progress: hub.Progress | None = None,
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


def load_from_hub(source: str, progress: hub.Progress | None = None) -> LoadedModel:
    """As `load`, of a Hub id alone: no folder of that name is looked at, so that a stranger may choose it.

    Raises:
        WeightsError: not such an id, and as for `load`.
    """
    if not HUB_ID.fullmatch(source):
        raise WeightsError(f"{source[:80]!r} is not a Hub id like user/repo or user/repo@revision.")
    return _from_hub(source, False, False, {"progress": progress})


def save(model: DALAResNet50, folder: Path) -> str:
    """Write `model.safetensors` (matrices in fp16, vectors in fp32) and `config.json` with its SHA-256, returned.

    Vectors are a thousandth of the size, and batch-norm's variances span more than fp16 can hold.

    Raises:
        DiskError: no room, or no permission; the two files that were there are there still.
    """
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    state = {k: v.half() if v.ndim > 1 else v for k, v in state.items()}
    content = packed(state)
    digest = hashlib.sha256(content).hexdigest()
    config = json.dumps({**model.config(), "sha256": digest}, indent=2) + "\n"
    disk.write_all(folder, {FILE: content, CONFIG: config.encode()})
    return digest


def sha256(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_state(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, floating ones as fp32, every one finite.

    Raises:
        WeightsError: not a safetensors file, truncated, or with values that are not finite.
    """
    try:
        state = load_file(file)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file}: not a complete safetensors file; other formats are not read.") from error
    strange = [k for k, v in state.items() if v.dtype not in DTYPES]
    if strange:
        kind = str(state[strange[0]].dtype).removeprefix("torch.")
        raise WeightsError(f"{file}: {_some(strange)} are of type {kind}, not floats of 16, 32 or 64 bits.")
    state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    broken = [k for k, v in state.items() if not torch.isfinite(v).all()]
    if broken:
        raise WeightsError(f"{file}: {_some(broken)} hold values that are not finite numbers.")
    return state


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
    return LoadedModel(model, disk.readable(folder.resolve().name), None, digest, folder)


def _from_hub(source: str, force: bool, offline: bool, options: dict[str, Any]) -> LoadedModel:
    repo, _, branch = source.partition("@")
    revision, damage = branch or None, ""
    try:
        folder = None if force else hub.cached(repo, (FILE, CONFIG), revision, options.get("cache_dir"))
        if folder:
            try:
                return replace(_read(folder, folder / FILE), source=repo, revision=folder.name)
            except WeightsError as error:
                damage = f"{error} A fresh copy was not to be had: "
        if offline:
            raise WeightsError(f"{damage}{repo}: not in the cache, and local_files_only forbids asking the Hub.")
        return _download(repo, revision, options)
    except hub.HubError as error:
        raise WeightsError(f"{damage}{error}") from error


def _download(repo: str, revision: str | None, options: dict[str, Any]) -> LoadedModel:
    def check(folder: Path) -> LoadedModel:
        try:
            return _read(folder, folder / FILE)
        except WeightsError as error:
            raise WeightsError(str(error).replace(str(folder), repo)) from error

    try:
        loaded, folder = hub.download(repo, (FILE, CONFIG), check, revision, most=MOST_BYTES, **options)
    except hub.NotThereError as error:
        if error.name == FILE and hub.holds(repo, PICKLE, revision, options["token"]):
            raise WeightsError(_pickled(repo, PICKLE)) from error
        raise WeightsError(f"{error} Weights are {FILE} with {CONFIG}; other formats are not read.") from error
    return replace(loaded, source=repo, revision=folder.name, folder=folder)


def _fill(model: DALAResNet50, state: dict[str, Tensor], file: Path) -> None:
    own = model.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if missing or extra:
        parts = [f"lacks {_some(missing)}"] * bool(missing) + [f"has {_some(extra)} besides"] * bool(extra)
        raise WeightsError(f"{file}: not a DALAResNet50, it {' and '.join(parts)}.")
    unfit = [k for k in own if own[k].shape != state[k].shape]
    if unfit:
        shapes = f"{tuple(state[unfit[0]].shape)} instead of {tuple(own[unfit[0]].shape)}"
        raise WeightsError(f"{file}: wrong shape of {_some(unfit)}: {shapes}.")
    unlike = [k for k in own if own[k].is_floating_point() != state[k].is_floating_point()]
    if unlike:
        raise WeightsError(f"{file}: {_some(unlike)} are whole numbers in the place of fractions, or the reverse.")
    negative = [k for k in own if k.endswith("running_var") and (state[k] < 0).any()]
    if negative:
        raise WeightsError(f"{file}: {_some(negative)} hold variances below zero.")
    model.load_state_dict(state, strict=True)


def _pickled(where: str, names: str) -> str:
    return f"{where}: holds no {FILE} but a pickle ({names}), which can run any code as it is read, and is refused."


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _read_config(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise WeightsError(f"{file.parent}: holds no {CONFIG}, which names the classes and the preprocessing.")
    try:
        config = read_json(file, MOST_CONFIG_BYTES)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{file}: not valid JSON of at most {MOST_CONFIG_BYTES // 1_000_000} MB.") from error
    if not isinstance(config, dict):
        raise WeightsError(f"{file}: not a JSON object.")
    return config


def _build(config: dict[str, Any], file: Path) -> DALAResNet50:
    if config.get("architecture", "DALAResNet50") != "DALAResNet50":
        raise WeightsError(f"{file}: the architecture is {config['architecture']!r}, not DALAResNet50.")
    names = config.get("class_names")
    if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
        raise WeightsError(f"{file}: class_names must be a list of names.")
    if not isinstance(config.get("provenance", {}), dict):
        raise WeightsError(f"{file}: provenance must be a JSON object.")
    optional = {
        k: config[k] for k in ("preprocessing", "provenance", "reduction", "dropout", "temperature") if k in config
    }
    try:
        return DALAResNet50(names, **optional)
    except (TypeError, ValueError, AttributeError, RuntimeError, ZeroDivisionError) as error:
        raise WeightsError(f"{file}: {error}.") from error
