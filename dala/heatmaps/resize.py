"""Resize and scale raw maps."""

from torch import Tensor
from torch.nn.functional import interpolate

from dala.cam.core import EPS

__all__ = ["scaled_to_one", "upsample"]


def scaled_to_one(maps: Tensor) -> Tensor:
    """(C, h, w) -> the same, each map stretched from its minimum and maximum to 0 and 1; a flat one becomes 0."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low + EPS)


def upsample(raw: Tensor, size: tuple[int, int]) -> Tensor:
    """Raw map (h, w) -> (height, width), bilinear, `align_corners=False`: the one place where a map is resized."""
    return interpolate(raw[None, None], size, mode="bilinear", align_corners=False)[0, 0]
