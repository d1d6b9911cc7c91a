"""Augmentation of batches of tensors: what happens to a picture is a function of its seed, in whichever batch it is.

`numbers` draws all random numbers of a picture at once, each augmentation's at a fixed place, so that switching one off
does not change what the others draw.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy.special import betaincinv
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from dala.images.preprocessing import Preprocessing
from dala.training.config_parts import FeatureConfig
from dala.training.geometry import oriented, resized, window, zoom
from dala.training.photometric import OPERATIONS

__all__ = ["Augmentation", "mixup", "numbers", "pairs"]


def pairs(u: Tensor, labels: Sequence[int], sources: Sequence[str], alpha: float) -> tuple[list[int], list[float]]:
    """Pairs of pictures of one class for `mixup`, of different sources wherever the class has them.

    Args:
        u: (N, 2) numbers from 0 to 1: of the order, and of the share.
        labels, sources: of the N pictures.
        alpha: of the Beta(alpha, alpha) distribution of shares, above 0 (Zhang et al. 2018, arXiv 1710.09412).

    Returns:
        the partner of each picture, whose partner it is in turn, and its own share in its mixture, which is that of its
        partner, too. Of an odd number of pictures one is its own partner.
    """
    order, partner, share = u[:, 0].tolist(), list(range(len(u))), [1.0] * len(u)
    for label in set(labels):
        rows = sorted((i for i, other in enumerate(labels) if other == label), key=lambda i: order[i])
        # Half a class away in the order of the sources is another source, unless one has more than half.
        rows = sorted(rows[len(rows) % 2 :], key=lambda i: sources[i])
        half = len(rows) // 2
        for a, b in zip(rows[:half], rows[half:], strict=True):
            partner[a], partner[b] = b, a
            share[a] = share[b] = float(betaincinv(alpha, alpha, float(u[a, 1])))
    return partner, share


def mixup(x: Tensor, partner: Sequence[int], share: Sequence[float]) -> Tensor:
    """Mix each picture or feature map of (N, C, H, W) with its partner; the mean of a pair stays as it is.

    Args:
        x: (N, C, H, W).
        partner, share: of each, as of `pairs`.
    """
    weights = torch.tensor(share, dtype=x.dtype, device=x.device).view(-1, 1, 1, 1)
    return torch.lerp(x[list(partner)], x, weights)


def numbers(seeds: Sequence[int]) -> dict[str, Tensor]:
    """Uniform random numbers from 0 to 1 of every augmentation: name -> (N, draws), a row for each seed."""
    sizes = {"window": 3, "oriented": 2, "mixup": 2, "chosen": 8} | {n: o.draws for n, o in OPERATIONS.items()}
    total = sum(sizes.values())
    rows = [torch.rand(total, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return dict(zip(sizes, torch.stack(rows).split(list(sizes.values()), 1), strict=True))


@dataclass(frozen=True)
class Augmentation:
    """All augmentations with the strengths of `features`.

    | setting | range of the draw |
    |---|---|
    | `scale` | the tissue's scale times 1 - scale to 1 + scale, log-uniform |
    | `stain` | amounts of stain times 1 ± stain, plus ± stain / 2 in natural units of optical density |
    | `blur` | standard deviation 0 to blur pixels |
    | `colour` | gain of each channel, and gamma, from exp(-colour) to exp(colour) |
    | `sharpen` | factor of sharpness from 1 to 1 + sharpen |
    | `jpeg` | quality of JPEG from 100 down to 100 - jpeg |
    | `degrade` | share of the pictures that are blurred; independently, sharpened; independently, compressed |

    Besides: crops anywhere in the picture, flips and quarter turns, each of the eight equally often.

    Args:
        features: the strengths, and the side of a crop; a strength of 0 switches an augmentation off.
        preprocessing: mean and standard deviation of the network's input.
    """

    features: FeatureConfig
    preprocessing: Preprocessing

    def crops(self, pictures: Sequence[Tensor], seeds: Sequence[int]) -> Tensor:
        """(N, 3, crop, crop) float32, normalised, of N (3, H, W) uint8 pictures of any sizes and their seeds."""
        f, u = self.features, numbers(seeds)
        side = f.crop or min(448, f.height, f.width)
        cut = [window(p, v, f.scale, side) for p, v in zip(pictures, u["window"], strict=True)]
        return self._pixels(torch.stack([oriented(p, v) for p, v in zip(cut, u["oriented"], strict=True)]), u)

    def view(self, picture: Tensor, seed: int) -> Tensor:
        """(1, 3, H, W) float32, normalised, of a whole (3, H, W) uint8 picture; the size is `view_size`."""
        u = numbers([seed])
        height, width = self.view_size(picture.shape[-2:], seed)
        picture = oriented(picture, u["oriented"][0])
        return self._pixels(resized(picture, height, width)[None], u)

    def view_size(self, size: Sequence[int], seed: int) -> tuple[int, int]:
        """Height and width of `view` of a picture of `size` (height, width): rescaled, and turned."""
        u = numbers([seed])
        factor, turned = zoom(u["window"][0, 0], self.features.scale), int(4 * u["oriented"][0, 1]) % 2
        height, width = (round(side * factor) for side in size)
        return (width, height) if turned else (height, width)

    def _pixels(self, pixels: Tensor, u: dict[str, Tensor]) -> Tensor:
        """Apply `OPERATIONS` to (N, 3, H, W) uint8 pictures, and normalise them."""
        x = F.to_dtype(pixels, torch.float32, scale=True)
        for k, (name, operation) in enumerate(OPERATIONS.items()):
            if strength := getattr(self.features, name):
                if operation.always:
                    x = operation.apply(x, u[name], strength)
                elif len(rows := (u["chosen"][:, k] < self.features.degrade).nonzero()[:, 0]):
                    x[rows] = operation.apply(x[rows], u[name][rows], strength)
        return F.normalize(x, list(self.preprocessing.mean), list(self.preprocessing.std), inplace=True)
