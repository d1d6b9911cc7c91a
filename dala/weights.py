"""Weights from a folder, a file or the Hugging Face Hub, checked before anything runs. Safetensors only."""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dala.errors import DalaError
from dala.model import DALAResNet50

__all__ = ["SHIPPED", "LoadedModel", "WeightsError", "load", "read_state", "save", "sha256"]

SHIPPED = Path(__file__).resolve().parent.parent / "weights"
FILE, CONFIG = "model.safetensors", "config.json"
HUB_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


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
    """

    model: DALAResNet50
    source: str
    revision: str | None
    sha256: str


def load(source: str | Path | None = None, **hub: Any) -> LoadedModel:
    """Load and check a DALAResNet50.

    Args:
        source: a folder with `model.safetensors` and `config.json`, the path of such a safetensors file, or a Hub id
            `user/repo[@revision]`. None: the environment's `DALA_MODEL`, else the folder shipped with the project.
        hub: for a Hub id, `token`, `cache_dir`, `force_download` and `local_files_only` of `hf_hub_download`.

    Raises:
        WeightsError: not there, not safetensors, keys or shapes that do not fit, values that are not finite, or a
            SHA-256 other than the config's.
    """
    source = str(source or os.environ.get("DALA_MODEL") or SHIPPED)
    path = Path(source)
    if _exists(path):
        folder, file = (path, path / FILE) if path.is_dir() else (path.parent, path)
        name, revision = folder.resolve().name, None
        config_file = folder / CONFIG
    elif (named := HUB_ID.fullmatch(source)) and path.suffix != ".safetensors":
        name = named["repo"]
        config_file, revision = _download(name, CONFIG, named["revision"], **hub)
        # The file of the very commit that the config came from, even if the branch moves in between.
        file, _ = _download(name, FILE, revision, **hub)
    else:
        raise WeightsError(f"{source}: no such folder or file, and not a Hub id like user/repo or user/repo@revision.")
    config = _read_config(config_file)
    if not file.is_file():
        raise WeightsError(f"{file.parent}: holds no {FILE}; other formats are not read.")
    try:
        digest = sha256(file)
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read: {error.strerror}.") from error
    if config.get("sha256") not in (None, digest):
        raise WeightsError(f"{file}: its SHA-256 is not the one in {CONFIG}, so the file is damaged or another one.")
    model = _build(config, config_file)
    _fill(model, read_state(file), file)
    return LoadedModel(model.eval(), name, revision, digest)


def save(model: DALAResNet50, folder: Path) -> str:
    """Write `model.safetensors` (matrices in fp16, vectors in fp32) and `config.json` with its SHA-256, returned.

    Vectors are a thousandth of the size, and batch-norm's variances span more than fp16 can hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    state = {k: v.half() if v.ndim > 1 else v for k, v in state.items()}
    temporary = folder / f".{FILE}.part"
    save_file(state, temporary)
    digest = sha256(temporary)
    temporary.chmod(0o644)  # the library writes for the owner alone, and a server may run as somebody else
    temporary.replace(folder / FILE)
    (folder / CONFIG).write_text(json.dumps({**model.config(), "sha256": digest}, indent=2) + "\n", encoding="utf-8")
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
    state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    broken = [k for k, v in state.items() if not torch.isfinite(v).all()]
    if broken:
        raise WeightsError(f"{file}: {_some(broken)} hold values that are not finite numbers.")
    return state


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
    model.load_state_dict(state, strict=True)


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
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{file}: not valid JSON.") from error
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


def _download(
    repo: str, name: str, revision: str | None, local_files_only: bool = False, **hub: Any
) -> tuple[Path, str]:
    """From the cache if it is there, else from the Hub; the file and the commit it belongs to."""
    tries = [False] if hub.get("force_download") else [True] if local_files_only else [True, False]
    for cached in tries:
        try:
            path = Path(hf_hub_download(repo, name, revision=revision, local_files_only=cached, **hub))
            return path, path.parent.name
        except LocalEntryNotFoundError as error:
            problem, cause = f"not in the cache, and {constants.ENDPOINT} was not reached", error
        # The client raises what its HTTP library raises, httpx in one version and httpx2 in the next.
        except Exception as error:
            raise WeightsError(f"{repo}: {_reason(error, name, revision)}.") from error
    raise WeightsError(f"{repo}: {problem}.") from cause


def _reason(error: Exception, name: str, revision: str | None) -> str:
    for kind, reason in (
        (GatedRepoError, "gated; ask for access on its page, then log in with `hf auth login`"),
        (RevisionNotFoundError, f"has no revision {revision!r}"),
        (RepositoryNotFoundError, "no such repository on the Hub, or a private one"),
        (EntryNotFoundError, f"holds no {name}; other formats are not read"),
    ):
        if isinstance(error, kind):
            return reason
    return f"the download of {name} failed: {(str(error).splitlines() or [type(error).__name__])[0].rstrip('.')}"
