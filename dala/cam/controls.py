"""Maps that see neither the picture nor the network: controls that any method has to beat."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dala.cam.core import Head, method


@method(
    "random", "random map", "control", "noise that sees neither picture nor network: there to be beaten", control=True
)
def random(activations: Tensor, gradient: Tensor, heads: Sequence[Head]) -> Tensor:
    """Uniform noise in [0, 1), the same at every call and for every image of a size."""
    n, _, h, w = activations.shape
    noise = torch.rand(h, w, generator=torch.Generator().manual_seed(0), dtype=torch.float32, device="cpu")
    return noise.to(activations.device).expand(n, h, w)


@method(
    "centre_gaussian",
    "centred Gaussian",
    "control",
    "a blob in the middle that sees neither picture nor network: there to be beaten",
    control=True,
)
def centre_gaussian(activations: Tensor, gradient: Tensor, heads: Sequence[Head]) -> Tensor:
    """A centred Gaussian; its standard deviation is a quarter of each side."""
    n, _, h, w = activations.shape
    y, x = (
        torch.linspace(-1 + 1 / size, 1 - 1 / size, size, device=activations.device, dtype=torch.float32)
        for size in (h, w)
    )
    return torch.exp(-2 * (y[:, None] ** 2 + x**2)).expand(n, h, w)
