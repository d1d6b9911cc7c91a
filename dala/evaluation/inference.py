"""Logits of a network on labelled pictures."""

from collections.abc import Sequence

import numpy as np
import torch

from dala.data.items import Item
from dala.data.loading import picture_loader
from dala.models.dala_resnet import DALAResNet50

__all__ = ["logits"]


@torch.inference_mode()
def logits(model: DALAResNet50, items: Sequence[Item], workers: int | None = 0, bf16: bool = False) -> np.ndarray:
    """Compute logits (n, classes) float32 in evaluation mode, of whole pictures preprocessed as in the app."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    rows = []
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for x in picture_loader(items, model.preprocessing, workers):
            rows.append(model(x.to(device, memory_format=torch.channels_last)).float().cpu())
    model.train(was_training)
    return torch.cat(rows).numpy()
