"""Regions of a stained picture that its pixels alone define: where heat should lie, and where it should not."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

from dala.heatmaps import thresholds
from dala.images.stain import optical_density

__all__ = ["GLASS", "REGIONS", "RIM", "Region", "density"]

RIM = 32  # px, one cell of the last layer's grid
# Optical density of the darkest channel: illumination leaves up to 0.1 on empty slides, and a pale pink has more.
GLASS = 0.1
WINDOW = 9  # px, about the width of a nucleus; smaller gaps between cells are no glass


@dataclass(frozen=True)
class Region:
    """A kind of region.

    Attributes:
        mark: RGB picture (W, H) -> mask (H, W) bool.
        title: display name.
        meaning: how it is found, as part of a sentence.
    """

    mark: Callable[[Image.Image], Tensor]
    title: str
    meaning: str


def density(picture: Image.Image) -> Tensor:
    """Mean optical density of red, green and blue of an RGB picture, (H, W) float32, at least 0: amount of stain."""
    return _density(picture).mean(0)


def nuclei(picture: Image.Image) -> Tensor:
    """Optical density of red above Otsu's threshold of the picture: haematoxylin absorbs red, eosin hardly."""
    return thresholds.apply(_density(picture)[0], "otsu").mask


def stained(picture: Image.Image) -> Tensor:
    """Mean optical density above Otsu's threshold of the picture."""
    return thresholds.apply(density(picture), "otsu").mask


def rim(picture: Image.Image) -> Tensor:
    """The outermost `RIM` pixels."""
    mask = torch.ones(picture.height, picture.width, dtype=torch.bool)
    mask[RIM:-RIM, RIM:-RIM] = False
    return mask


def glass(picture: Image.Image) -> Tensor:
    """Optical density of the darkest channel below `GLASS`, on average over `WINDOW` x `WINDOW` pixels."""
    darkest = _density(picture).amax(0)[None, None]
    return avg_pool2d(darkest, WINDOW, 1, WINDOW // 2, count_include_pad=False)[0, 0] < GLASS


REGIONS: dict[str, Region] = {
    "nuclei": Region(nuclei, "nuclei", "optical density of red, which haematoxylin absorbs, above Otsu's threshold"),
    "stained": Region(stained, "dark stain", "mean optical density above Otsu's threshold"),
    "rim": Region(rim, "rim", f"the outermost {RIM} pixels"),
    "glass": Region(
        glass, "glass", f"empty places and fat: optical density of the darkest channel below {GLASS:g} over {WINDOW} px"
    ),
}


def _density(picture: Image.Image) -> Tensor:
    """Optical density (3, H, W) float32, at least 0."""
    return torch.from_numpy(optical_density(np.asarray(picture, np.float32))).permute(2, 0, 1).clamp(min=0).contiguous()
