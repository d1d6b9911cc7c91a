"""Initialization: ImageNet weights, or a file's weights, for the network that is trained."""

from pathlib import Path

import torch
from torch import Tensor
from torchvision.models import ResNet50_Weights

from dala.hub.report import Start
from dala.models import serialization
from dala.models.dala_resnet import DALAResNet50
from dala.training.networks import LibraryNetwork

__all__ = ["load_imagenet", "load_library"]


def load_imagenet(model: DALAResNet50, init: str | None) -> Start:
    """Load an ImageNet state dict with torchvision's key names into the backbone.

    Args:
        model: its backbone is filled in place; the attention and the head keep their random weights.
        init: a file with a state dict (safetensors; or `.pt`, `.pth`, from which only tensors are read), or the name
            of one of torchvision's `ResNet50_Weights`, which is downloaded; None keeps the random weights.

    Returns:
        name of the initialization, SHA-256 of a file, number of loaded keys, and the names of keys that are missing or
        left over, without those of the attention and the head.

    Raises:
        WeightsError: no such file, or keys of other shapes.
    """
    if init is None:
        return {"name": "random", "loaded": 0}
    state, source = _read(init)
    own = {k: v for k, v in model.state_dict().items() if not k.startswith(("attention.", "head."))}
    shared = {k: v for k, v in state.items() if k in own}
    unfit = [k for k, v in shared.items() if v.shape != own[k].shape]
    if unfit or not shared:
        raise serialization.WeightsError(
            f"{init}: {unfit[0] if unfit else 'no key'} does not fit a ResNet-50 of torchvision."
        )
    # Inference does not read PyTorch's count of batches, and other frameworks do not export it.
    missing = sorted(k for k in own.keys() - shared.keys() if not k.endswith("num_batches_tracked"))
    extra = sorted(state.keys() - shared.keys())
    model.load_state_dict(shared, strict=False)
    _print_keys(source["name"], "missing", missing)
    _print_keys(source["name"], "left over", extra)
    return {**source, "loaded": len(shared), "missing": missing, "left_over": extra}


def load_library(network: LibraryNetwork, init: str) -> None:
    """Load a file into a network of torchvision or timm, by the library's key names; the classifier's size may differ.

    Raises:
        WeightsError: no such file, or a file that fits less than half of the network.
    """
    wrapped = network.wrapped
    state, source = _read(init)
    own = wrapped.state_dict()
    shared = {k: v for k, v in state.items() if k in own and v.shape == own[k].shape}
    if len(shared) < len(own) // 2:
        raise serialization.WeightsError(f"{init}: fits {len(shared)} of the network's {len(own)} tensors only.")
    wrapped.load_state_dict(shared, strict=False)
    _print_keys(source["name"], "missing", sorted(own.keys() - shared.keys()))


def _print_keys(name: str, what: str, keys: list[str]) -> None:
    if keys:
        print(f"{name}: {len(keys)} keys {what}: {', '.join(keys)}")


def _read(init: str) -> tuple[dict[str, Tensor], Start]:
    """The state dict, and its name (and SHA-256) for the report."""
    file = Path(init)
    if file.suffix in (".safetensors", ".pt", ".pth"):
        if not file.is_file():
            raise serialization.WeightsError(f"{init}: no such file to start from.")
        state = serialization.read_state(file) if file.suffix == ".safetensors" else _read_pickle(file)
        return state, {"name": file.name, "sha256": serialization.sha256(file)}
    if init not in ResNet50_Weights.__members__:
        raise serialization.WeightsError(
            f"{init}: neither a .safetensors, .pt or .pth file nor one of ResNet50_Weights."
        )
    try:
        state = ResNet50_Weights[init].get_state_dict(progress=True, check_hash=True)
    # RuntimeError: the downloaded file has another hash.
    except (OSError, RuntimeError) as error:
        raise serialization.WeightsError(f"{init}: could not be downloaded; give a local .safetensors file.") from error
    return dict(state), {"name": f"torchvision {init}"}


def _read_pickle(file: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise serialization.WeightsError(
            f"{file}: not a file of tensors only; other pickles are not read, so save its state dict."
        ) from error
    state = state.get("state_dict", state.get("model", state)) if isinstance(state, dict) else None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise serialization.WeightsError(f"{file}: contains no state dict.")
    return {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
