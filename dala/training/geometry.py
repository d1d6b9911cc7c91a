"""Where an augmented picture is cut, at which scale, and how it is turned: pure functions of uniform random numbers."""

import math

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

__all__ = ["oriented", "resized", "window", "zoom"]


def zoom(u: Tensor, strength: float) -> float:
    """Factor of a picture's size, log-uniform from 1 - `strength` to 1 + `strength`.

    Args:
        u: () number from 0 to 1.
        strength: below 1.
    """
    low, high = math.log1p(-strength), math.log1p(strength)
    return math.exp(low + float(u) * (high - low))


def window(picture: Tensor, u: Tensor, strength: float, side: int) -> Tensor:
    """Cut a square at random and resize it to `side` pixels, so that the tissue's scale changes by `zoom`.

    A picture that is too small for the square is mirrored at its edges.

    Args:
        picture: (3, H, W) uint8.
        u: (3,) numbers from 0 to 1: of the zoom, the row and the column.
        strength: of `zoom`.
        side: pixels.
    """
    cut = round(side / zoom(u[0], strength))
    spare = [size - cut for size in picture.shape[-2:]]
    top, left = (min(0, n) + int(float(v) * (abs(n) + 1)) for n, v in zip(spare, u[1:], strict=True))
    if min(spare) < 0:
        rows, columns = (_mirrored(a, cut, n) for a, n in zip((top, left), picture.shape[-2:], strict=True))
        square = picture[:, rows][:, :, columns]
    else:
        square = picture[:, top : top + cut, left : left + cut]
    return square if cut == side else resized(square, side, side)


def _mirrored(first: int, count: int, size: int) -> Tensor:
    """Positions in 0 to `size` - 1 of `count` consecutive ones that start at `first` and may leave that range."""
    around = torch.arange(first, first + count) % (2 * size)
    return torch.minimum(around, 2 * size - 1 - around)


def resized(picture: Tensor, height: int, width: int) -> Tensor:
    """Resize (3, H, W) uint8 by a bicubic filter, with antialiasing."""
    return F.resize(picture, [height, width], InterpolationMode.BICUBIC, antialias=True)


def oriented(picture: Tensor, u: Tensor) -> Tensor:
    """Flip half of the pictures, and turn by 0, 90, 180 or 270 degrees, without interpolation.

    Args:
        picture: (..., H, W).
        u: (2,) numbers from 0 to 1: of the flip and the turn.
    """
    return torch.rot90(picture.flip(-1) if u[0] < 0.5 else picture, int(4 * u[1]), (-2, -1))
