"""The files of a saved network, `model.safetensors` and `config.json`: written whole, read with every check."""

import hashlib
import json
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from dala import files
from dala.errors import DalaError
from dala.files import read_json
from dala.hub.layout import CONFIG, FILE

__all__ = ["CONFIG", "FILE", "MOST_BYTES", "PICKLE", "Saveable", "WeightsError", "read", "read_state", "save", "sha256"]

DTYPES = {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64}  # int64: batch-norm's count
MOST_BYTES, MOST_CONFIG_BYTES = 500_000_000, 1_000_000
PICKLE, PICKLES = "pytorch_model.bin", {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}


class WeightsError(DalaError):
    """Weights that cannot be used; the message says what is wrong and where."""


class Saveable(Protocol):
    """A network whose constructor takes what `config` returns, but for "architecture"."""

    def config(self) -> dict[str, Any]:
        """The constructor's arguments as plain JSON, and "architecture", the name of the class."""

    def state_dict(self) -> dict[str, Any]:
        """The tensors by name, as of `nn.Module`."""


M = TypeVar("M", bound=nn.Module)


def save(model: Saveable, folder: Path) -> str:
    """Write `model.safetensors` (matrices in fp16, vectors in fp32) and `config.json`; return the SHA-256 it states.

    Vectors are a thousandth of the size, and batch-norm's variances span more than fp16 can hold.

    Raises:
        DiskError: no room, or no permission; the previous two files are kept.
    """
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    state = {k: v.half() if v.ndim > 1 else v for k, v in state.items()}
    content = to_bytes(state)
    digest = hashlib.sha256(content).hexdigest()
    config = json.dumps({**model.config(), "sha256": digest}, indent=2) + "\n"
    files.write_all(folder, {FILE: content, CONFIG: config.encode()})
    return digest


def sha256(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read(cls: type[M], folder: Path, file: Path) -> tuple[M, str]:
    """Build a network of class `cls` from `folder`'s config and a weights file; return it and the file's SHA-256.

    Args:
        cls: its constructor takes the entries of the config.
        folder: holds `config.json`.
        file: in safetensors format.

    Raises:
        WeightsError: see `dala.models.load`.
    """
    try:
        if not file.is_file() and (pickles := sorted(f.name for f in folder.iterdir() if f.suffix in PICKLES)):
            raise WeightsError(only_pickle(str(folder), _some(pickles)))
        config = _read_config(folder / CONFIG)
        if not file.is_file():
            raise WeightsError(f"{folder}: holds no {FILE}; other formats are not read.")
        if file.stat().st_size > MOST_BYTES:
            raise WeightsError(f"{file}: has more than {MOST_BYTES // 1_000_000} MB, and is no {cls.__name__}.")
        digest = sha256(file)
    except OSError as error:
        raise WeightsError(f"{error.filename or file}: cannot be read: {error.strerror}.") from error
    if config.get("sha256") not in (None, digest):
        raise WeightsError(f"{file}: its SHA-256 is not the one in {CONFIG}, so the file is damaged or another one.")
    # Whatever the caller's default dtype, device and mode are, the network is fp32, on the CPU, and can be trained. Its
    # random weights, which are replaced, leave the caller's random numbers as they are.
    with torch.inference_mode(False), torch.device("cpu"), torch.random.fork_rng(devices=[]):
        model = _build(cls, config, folder / CONFIG).float().eval()
        _fill(model, read_state(file), file)
    # Finite weights may still be so large that no output is.
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        if not model(torch.zeros(1, 3, 64, 64, dtype=torch.float32, device="cpu")).isfinite().all():
            raise WeightsError(f"{file}: its values are so large that the network's output is not a finite number.")
    return model, digest


def read_state(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, floating ones as fp32, every one finite.

    Raises:
        WeightsError: not a safetensors file, truncated, or with values that are not finite.
    """
    try:
        state = load_file(file)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file}: not a complete safetensors file; other formats are not read.") from error
    unfit = [k for k, v in state.items() if v.dtype not in DTYPES]
    if unfit:
        kind = str(state[unfit[0]].dtype).removeprefix("torch.")
        raise WeightsError(f"{file}: {_some(unfit)} are of type {kind}, not floats of 16, 32 or 64 bits.")
    state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    infinite = [k for k, v in state.items() if not torch.isfinite(v).all()]
    if infinite:
        raise WeightsError(f"{file}: {_some(infinite)} hold values that are not finite numbers.")
    return state


def only_pickle(where: str, names: str) -> str:
    """The sentence for a folder or repository that has a pickle instead of safetensors."""
    return f"{where}: holds no {FILE} but a pickle ({names}), which can run any code as it is read, and is refused."


def _fill(model: nn.Module, state: dict[str, Tensor], file: Path) -> None:
    own = model.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if missing or extra:
        parts = [f"lacks {_some(missing)}"] * bool(missing) + [f"has {_some(extra)} besides"] * bool(extra)
        raise WeightsError(f"{file}: not a {type(model).__name__}, it {' and '.join(parts)}.")
    unfit = [k for k in own if own[k].shape != state[k].shape]
    if unfit:
        shapes = f"{tuple(state[unfit[0]].shape)} instead of {tuple(own[unfit[0]].shape)}"
        raise WeightsError(f"{file}: wrong shape of {_some(unfit)}: {shapes}.")
    mixed = [k for k in own if own[k].is_floating_point() != state[k].is_floating_point()]
    if mixed:
        raise WeightsError(f"{file}: {_some(mixed)} are whole numbers in the place of fractions, or the reverse.")
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


def _build(cls: type[M], config: dict[str, Any], file: Path) -> M:
    if config.get("architecture", cls.__name__) != cls.__name__:
        raise WeightsError(f"{file}: the architecture is {config['architecture']!r}, not {cls.__name__}.")
    names = config.get("class_names")
    if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
        raise WeightsError(f"{file}: class_names must be a list of names.")
    if not isinstance(config.get("provenance", {}), dict):
        raise WeightsError(f"{file}: provenance must be a JSON object.")
    optional = {
        k: config[k] for k in ("preprocessing", "provenance", "reduction", "dropout", "temperature") if k in config
    }
    try:
        return cls(names, **optional)
    except (TypeError, ValueError, AttributeError, RuntimeError, ZeroDivisionError) as error:
        raise WeightsError(f"{file}: {error}.") from error
