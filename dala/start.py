"""Where training starts: ImageNet weights below, and an attention and a head already fitted to them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.models import ResNet50_Weights
from torchvision.transforms import v2

from dala import weights
from dala.data import Item, balanced_weights
from dala.model import DALAResNet50
from dala.networks import Named
from dala.settings import Settings

__all__ = ["load_imagenet", "load_named", "probe"]


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
        raise weights.WeightsError(
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
        raise weights.WeightsError(f"{init}: fits {len(fitting)} of the network's {len(own)} tensors only.")
    made.load_state_dict(fitting, strict=False)
    missing = sorted(own.keys() - fitting.keys())
    if missing:
        print(f"{told['name']}: {len(missing)} keys missing: {', '.join(missing)}")


def _read_start(init: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    file = Path(init)
    if file.suffix in (".safetensors", ".pt", ".pth"):
        if not file.is_file():
            raise weights.WeightsError(f"{init}: no such file to start from.")
        state = weights.read_state(file) if file.suffix == ".safetensors" else _read_pickle(file)
        return state, {"name": file.name, "sha256": weights.sha256(file)}
    if init not in ResNet50_Weights.__members__:
        raise weights.WeightsError(f"{init}: neither a .safetensors, .pt or .pth file nor one of ResNet50_Weights.")
    try:
        state = ResNet50_Weights[init].get_state_dict(progress=True, check_hash=True)
    # RuntimeError: what was downloaded has another hash.
    except (OSError, RuntimeError) as error:
        raise weights.WeightsError(f"{init}: could not be downloaded; give a local .safetensors file.") from error
    return dict(state), {"name": f"torchvision {init}"}


def _read_pickle(file: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise weights.WeightsError(
            f"{file}: not a file of tensors and nothing else; other pickles are not read."
        ) from error
    state = state.get("state_dict", state.get("model", state)) if isinstance(state, dict) else None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise weights.WeightsError(f"{file}: holds no state dict.")
    return {k: v.float() if v.is_floating_point() else v for k, v in state.items()}


def probe(network: DALAResNet50, pooled: Tensor, items: Sequence[Item], settings: Settings) -> list[float]:
    """Fit the attention and the head to the frozen backbone's pooled features; the loss after each epoch.

    The gate is the same at every position, so that attention and head on features pooled first, (n, 2048, 1, 1), are
    exactly attention and head on the maps. The gate starts wide open. What leaves it is standardised by the training
    pictures' mean and deviation, which afterwards become part of the head's first layer; a feature that varies little
    can so weigh as much as one that varies a lot. Pictures are mixed (mixup, Zhang et al. 2018, arXiv 1710.09412).

    Args:
        network: its attention and head are fitted in place.
        pooled: (n, views, 2048) means of layer4's maps of the pictures in several views.
        items: the n pictures; classes, and in them patients, are drawn equally often.
        settings: epochs, rate, decay, mixup, label smoothing and seed.
    """
    device = next(network.parameters()).device
    labels = torch.tensor([i.label for i in items])
    chances = torch.tensor(balanced_weights(items))
    mean, deviation = (f(pooled, (0, 1))[:, None, None].to(device) for f in (torch.mean, torch.std))
    deviation = deviation + 1e-4
    torch.manual_seed(settings.seed)
    gate = getattr(network.attention, "excite", None)
    if isinstance(gate, torch.nn.Conv2d) and gate.bias is not None:
        torch.nn.init.constant_(gate.bias, 4.0)
    parts = torch.nn.ModuleList([network.attention, network.head]).train()
    optimizer = torch.optim.AdamW(parts.parameters(), settings.probe_lr, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, settings.probe_epochs))
    mix = v2.MixUp(alpha=settings.mixup or 1.0, num_classes=len(network.class_names))
    losses = []
    for _ in range(settings.probe_epochs):
        total = 0.0
        for rows in torch.multinomial(chances, len(items), replacement=True).split(32):
            x, y = pooled[rows, torch.randint(pooled.shape[1], (len(rows),)), :, None, None], labels[rows]
            x, y = mix(x, y) if settings.mixup else (x, y)
            logits = network.head((network.attention(x.to(device)) - mean) / deviation)
            loss = torch.nn.functional.cross_entropy(logits, y.to(device), label_smoothing=settings.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        schedule.step()
        losses.append(total / len(items))
    first = next(m for m in network.head.modules() if isinstance(m, torch.nn.Linear))
    with torch.no_grad():
        first.weight.div_(deviation.flatten())
        first.bias.sub_(first.weight @ mean.flatten())
    return losses
