"""Where training starts: ImageNet weights below, and an attention and a head already fitted to them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.models import ResNet50_Weights
from tqdm import tqdm

from dala import evaluate, weights
from dala.data import Item, balanced_weights
from dala.model import DALAResNet50
from dala.settings import Settings

__all__ = ["load_imagenet", "probe"]


def load_imagenet(model: DALAResNet50, init: str | None) -> dict[str, Any]:
    """Fill the backbone from an ImageNet state dict with torchvision's key names.

    Args:
        model: filled in place.
        init: a safetensors file, or the name of one of torchvision's `ResNet50_Weights`, to be downloaded; None leaves
            the start random.

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


def _read_start(init: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    file = Path(init)
    if file.suffix == ".safetensors":
        if not file.is_file():
            raise weights.WeightsError(f"{init}: no such file to start from.")
        return weights.read_state(file), {"name": file.name, "sha256": weights.sha256(file)}
    if init not in ResNet50_Weights.__members__:
        raise weights.WeightsError(f"{init}: neither a .safetensors file nor one of ResNet50_Weights.")
    try:
        state = ResNet50_Weights[init].get_state_dict(progress=True, check_hash=True)
    # RuntimeError: what was downloaded has another hash.
    except (OSError, RuntimeError) as error:
        raise weights.WeightsError(f"{init}: could not be downloaded; give a local .safetensors file.") from error
    return dict(state), {"name": f"torchvision {init}"}


def probe(model: DALAResNet50, items: Sequence[Item], settings: Settings) -> list[float]:
    """Fit the attention and the head to the frozen backbone's pooled features; the loss after each epoch.

    The gate is the same at every position, so that attention and head on features pooled first, (n, 2048, 1, 1), are
    exactly attention and head on the maps. Each picture is seen in four flips.
    """
    if not settings.probe_epochs:
        return []
    x = pooled_features(model, items, settings.workers, bf16=settings.precision == "bf16")
    labels = torch.tensor([i.label for i in items])
    weight = torch.tensor(balanced_weights(items) * len(items), dtype=torch.float32)
    device = next(model.parameters()).device
    parts = torch.nn.ModuleList([model.attention, model.head]).train()
    optimizer = torch.optim.AdamW(parts.parameters(), settings.probe_lr, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.probe_epochs)
    generator, losses = torch.Generator().manual_seed(settings.seed), []
    for _ in range(settings.probe_epochs):
        order, total = torch.randperm(len(items), generator=generator), 0.0
        for rows in order.split(32):
            view = torch.randint(x.shape[1], (len(rows),), generator=generator)
            logits = model.head(model.attention(x[rows, view, :, None, None].to(device)))
            loss = torch.nn.functional.cross_entropy(logits, labels[rows].to(device), reduction="none")
            loss = (loss * weight[rows].to(device)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        schedule.step()
        losses.append(total / len(items))
    return losses


@torch.inference_mode()
def pooled_features(
    model: DALAResNet50, items: Sequence[Item], workers: int | None = 0, views: int = 4, bf16: bool = False
) -> Tensor:
    """Means of layer4's maps over each picture and its flips, (n, views, 2048) float32, at most four views."""
    device = next(model.parameters()).device
    model.eval()
    rows = []
    loader = evaluate.picture_loader(items, model.preprocessing, workers)
    for x in tqdm(loader, "features", total=len(items), unit="image", disable=None):
        flips = torch.cat([x, x.flip(3), x.flip(2), x.flip(2, 3)][:views]).to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            for stage in ("stem", "layer1", "layer2", "layer3", "layer4"):
                flips = getattr(model, stage)(flips)
        rows.append(flips.float().mean((2, 3)).cpu())
    return torch.stack(rows)
