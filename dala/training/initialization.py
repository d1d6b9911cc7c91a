"""Where training starts: ImageNet weights below, and an attention and a head already fitted to them."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.models import ResNet50_Weights

from dala.models import serialization
from dala.models.dala_resnet import DALAResNet50
from dala.training.networks import Named

__all__ = ["load_imagenet", "load_named"]


def load_imagenet(model: DALAResNet50, init: str | None) -> dict[str, Any]:
    """Fill the backbone from an ImageNet state dict with torchvision's key names.

    Args:
        model: filled in place.
        init: a file with a state dict (safetensors; or `.pt`, `.pth`, of which tensors alone are read), or the name of
            one of torchvision's `ResNet50_Weights`, to be downloaded; None leaves the start random.

    Returns:
        what happened, for the report: name, SHA-256 of a file, counts, and the names of keys missing or left over. The
        attention and the head are always new and not counted.

    Raises:
        WeightsError: no such file, or keys of other shapes.
    """
    if init is None:
        return {"name": "random", "loaded": 0}
    state, told = _read_start(init)
    own = {k: v for k, v in model.state_dict().items() if not k.startswith(("attention.", "head."))}
    fitting = {k: v for k, v in state.items() if k in own}
    unfit = [k for k, v in fitting.items() if v.shape != own[k].shape]
    if unfit or not fitting:
        raise serialization.WeightsError(
            f"{init}: {unfit[0] if unfit else 'no key'} does not fit a ResNet-50 of torchvision."
        )
    # PyTorch counts batches in a buffer that inference never reads, and other frameworks do not export it.
    missing = sorted(k for k in own.keys() - fitting.keys() if not k.endswith("num_batches_tracked"))
    extra = sorted(state.keys() - fitting.keys())
    model.load_state_dict(fitting, strict=False)
    for word, keys in (("missing", missing), ("left over", extra)):
        if keys:
            print(f"{told['name']}: {len(keys)} keys {word}: {', '.join(keys)}")
    return {**told, "loaded": len(fitting), "missing": missing, "left_over": extra}


def load_named(network: Named, init: str) -> None:
    """Fill a network of torchvision or timm from a file with its library's key names; a classifier may differ in size.

    Raises:
        WeightsError: no such file, or one of another network.
    """
    made = network.made
    state, told = _read_start(init)
    own = made.state_dict()
    fitting = {k: v for k, v in state.items() if k in own and v.shape == own[k].shape}
    if len(fitting) < len(own) // 2:
        raise serialization.WeightsError(f"{init}: fits {len(fitting)} of the network's {len(own)} tensors only.")
    made.load_state_dict(fitting, strict=False)
    missing = sorted(own.keys() - fitting.keys())
    if missing:
        print(f"{told['name']}: {len(missing)} keys missing: {', '.join(missing)}")


def _read_start(init: str) -> tuple[dict[str, Tensor], dict[str, str]]:
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
    # RuntimeError: what was downloaded has another hash.
    except (OSError, RuntimeError) as error:
        raise serialization.WeightsError(f"{init}: could not be downloaded; give a local .safetensors file.") from error
    return dict(state), {"name": f"torchvision {init}"}


def _read_pickle(file: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise serialization.WeightsError(
            f"{file}: not a file of tensors and nothing else; other pickles are not read."
        ) from error
    state = state.get("state_dict", state.get("model", state)) if isinstance(state, dict) else None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise serialization.WeightsError(f"{file}: holds no state dict.")
    return {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
