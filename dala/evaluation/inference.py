"""Logits of a network on labelled pictures."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch

from dala.data.items import Item
from dala.data.loading import picture_loader
from dala.images.preprocessing import Preprocessing

__all__ = ["Classifier", "logits"]


class Classifier(Protocol):
    """A module from normalised pictures to logits, which knows how pictures are preprocessed."""

    preprocessing: Preprocessing
    training: bool

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) -> (N, classes)."""

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """The weights."""

    def train(self, mode: bool = True) -> object:
        """Set training or evaluation mode."""


@torch.inference_mode()
def logits(model: Classifier, items: Sequence[Item], workers: int | None = 0, bf16: bool = False) -> np.ndarray:
    """Compute logits (n, classes) float32 in evaluation mode, of whole pictures preprocessed as in the app."""
    device = next(model.parameters()).device
    was_training = model.training
    model.train(False)
    rows = []
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for x in picture_loader(items, model.preprocessing, workers):
            rows.append(model(x.to(device, memory_format=torch.channels_last)).float().cpu())
    model.train(was_training)
    return torch.cat(rows).numpy()
