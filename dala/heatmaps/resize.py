"""Resize and scale raw maps."""

from torch import Tensor
from torch.nn.functional import interpolate

__all__ = ["scaled_to_one", "upsample"]

EPS = 1e-8


def scaled_to_one(maps: Tensor) -> Tensor:
    """Stretch each of (C, h, w) maps from its minimum and maximum to 0 and 1; a flat one becomes 0."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low + EPS)


def upsample(raw: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a raw map (h, w) to (height, width), bilinear with `align_corners=False`."""
    return interpolate(raw[None, None], size, mode="bilinear", align_corners=False)[0, 0]
