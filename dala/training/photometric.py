"""Augmentations of pixels: pure functions of pictures, uniform random numbers and a strength.

At strength 0 pictures stay as they are. The order is that of a picture's way: the stain of the section, the focus of
the lens, the colours and the sharpening of the camera, the compression of the file.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from dala.images.encoding import encode
from dala.images.stain import EOSIN, HAEMATOXYLIN

__all__ = ["BASIS", "OPERATIONS", "Operation", "blur", "colour", "jpeg", "sharpen", "stain"]

Function = Callable[[Tensor, Tensor, float], Tensor]


def _basis() -> Tensor:
    """(3, 3): optical densities of haematoxylin, eosin and what is orthogonal to both, each of length 1."""
    rows = np.stack([HAEMATOXYLIN, EOSIN, np.cross(HAEMATOXYLIN, EOSIN)])
    return torch.from_numpy((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))


BASIS = _basis()


@dataclass(frozen=True)
class Operation:
    """An augmentation of pixels.

    Attributes:
        apply: (N, 3, H, W) pictures from 0 to 1, (N, draws) uniform numbers from 0 to 1, strength -> such pictures.
        draws: how many numbers it takes for a picture.
        always: whether it changes every picture; otherwise a share of them.
    """

    apply: Function
    draws: int
    always: bool


# By the name of the setting that is the strength, in the order in which they are applied.
OPERATIONS: dict[str, Operation] = {}


def _operation(draws: int, always: bool) -> Callable[[Function], Function]:
    def register(function: Function) -> Function:
        OPERATIONS[function.__name__] = Operation(function, draws, always)
        return function

    return register


@_operation(6, always=True)
def stain(x: Tensor, u: Tensor, strength: float) -> Tensor:
    """Scale and shift the amounts of haematoxylin, eosin and residual in optical density.

    Each amount a becomes f a + b, with f in 1 ± strength and b in ± strength / 2, in natural units of optical density
    (Tellez et al. 2018, doi 10.1109/TMI.2018.2820199, with the stains of Ruifrok & Johnston 2001).
    """
    either = 2 * u - 1
    factors, shifts = 1 + strength * either[:, :3], strength / 2 * either[:, 3:]
    matrix = torch.einsum("ki,nk,kj->nij", BASIS, factors, torch.linalg.inv(BASIS.T))
    density = x.flatten(2).mul(-255 / 256).sub_(1 / 256).neg_().log_().neg_()
    changed = torch.baddbmm((shifts @ BASIS)[:, :, None], matrix, density)
    return changed.neg_().exp_().mul_(256 / 255).sub_(1 / 255).clamp_(0, 1).view_as(x)


@_operation(1, always=False)
def blur(x: Tensor, u: Tensor, strength: float) -> Tensor:
    """Gaussian blur with a standard deviation from 0 to `strength` pixels; the picture is mirrored at its edges.

    As `torchvision.transforms.v2.functional.gaussian_blur`, but with each picture's own deviation and in two passes.
    """
    reach = math.ceil(3 * strength)
    distance = torch.arange(-reach, reach + 1)
    weights = torch.softmax(-(distance**2) / (2 * (strength * u[:, :1]).clamp(min=1e-3) ** 2), 1)
    padded = torch.nn.functional.pad(x, (reach,) * 4, mode="reflect")
    return _filtered(_filtered(padded, weights, 3), weights, 2)


def _filtered(x: Tensor, weights: Tensor, dim: int) -> Tensor:
    """Weighted sum of shifted pictures: on a processor several times as fast as a convolution of single channels."""
    length = x.shape[dim] - weights.shape[1] + 1
    result = torch.zeros_like(x.narrow(dim, 0, length))
    for k, weight in enumerate(weights.T):
        result.addcmul_(x.narrow(dim, k, length), weight[:, None, None, None])
    return result


@_operation(4, always=True)
def colour(x: Tensor, u: Tensor, strength: float) -> Tensor:
    """White balance and gamma: each channel times a gain, then a power, both from exp(-strength) to exp(strength)."""
    factors = (strength * (2 * u - 1)).exp()[:, :, None, None]
    return (x * factors[:, :3]).clamp_(0, 1).pow_(factors[:, 3:])


@_operation(1, always=False)
def sharpen(x: Tensor, u: Tensor, strength: float) -> Tensor:
    """Sharpen: factor 1 to 1 + `strength` of `torchvision.transforms.v2.functional.adjust_sharpness`.

    The same 3 x 3 mask, by sums of shifted pictures and with each picture's own factor.
    """
    middle = x[:, :, 1:-1, 1:-1]
    rows = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
    smooth = (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * middle) / 13
    result = x.clone()
    result[:, :, 1:-1, 1:-1] += (middle - smooth) * (strength * u)[:, :, None, None]
    return result.clamp_(0, 1)


@_operation(1, always=False)
def jpeg(x: Tensor, u: Tensor, strength: float) -> Tensor:
    """Compress as JPEG, with a quality from 100 down to 100 - `strength`."""
    if not strength:
        return x
    pixels = F.to_dtype(x, torch.uint8, scale=True).permute(0, 2, 3, 1).contiguous().numpy()
    qualities = (100 - strength * u[:, 0]).round().int().tolist()
    compressed = [_compressed(picture, quality) for picture, quality in zip(pixels, qualities, strict=True)]
    return F.to_dtype(torch.stack(compressed), torch.float32, scale=True)


def _compressed(pixels: np.ndarray, quality: int) -> Tensor:
    # By Pillow: torchvision's own codec is deprecated.
    content = encode(Image.fromarray(pixels), "JPEG", quality=quality)
    return F.pil_to_tensor(Image.open(io.BytesIO(content)))
