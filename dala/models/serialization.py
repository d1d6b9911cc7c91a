"""Read and write weights: safetensors and a JSON config, checked before anything is built."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as packed
from torch import Tensor

from dala import files
from dala.errors import DalaError
from dala.files import read_json
from dala.models.dala_resnet import DALAResNet50

__all__ = ["WeightsError", "read_state", "save", "sha256"]

FILE, CONFIG = "model.safetensors", "config.json"

DTYPES = {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64}  # int64: batch-norm's count
MOST_BYTES, MOST_CONFIG_BYTES = 500_000_000, 1_000_000
PICKLE, PICKLES = "pytorch_model.bin", {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}


class WeightsError(DalaError):
    """Weights that cannot be used; the message says what is wrong and where."""


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
    files.write_all(folder, {FILE: content, CONFIG: config.encode()})
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
