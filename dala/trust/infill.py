"""Hide parts of a picture: the order in which a map ranks its pixels, and what replaces hidden pixels."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

__all__ = ["DEFAULT_INFILL", "INFILLS", "Infill", "ranking"]


@dataclass(frozen=True)
class Infill:
    """What replaces hidden pixels.

    Attributes:
        fill: RGB picture -> RGB picture of the same size.
        label: its name on the page.
        meaning: one line for a learner.
    """

    fill: Callable[[Image.Image], Image.Image]
    label: str
    meaning: str


def _white(picture: Image.Image) -> Image.Image:
    return Image.new("RGB", picture.size, "white")


def _mean(picture: Image.Image) -> Image.Image:
    colour = np.asarray(picture).mean((0, 1)).round().astype(np.uint8)
    return Image.new("RGB", picture.size, tuple(colour.tolist()))


def _blur(picture: Image.Image) -> Image.Image:
    # 29 px at 700x460 px: nuclei and fibres disappear, the distribution of pink and blue remains.
    return picture.filter(ImageFilter.GaussianBlur(min(picture.size) / 16))


INFILLS: dict[str, Infill] = {
    "mean": Infill(_mean, "mean colour", "the average colour of this picture"),
    "blur": Infill(_blur, "blur", "the same place without its nuclei and fibres; the colours stay"),
    "white": Infill(_white, "white", "bare glass, as where a slide holds no tissue"),
}
# Of the three it disturbs the shipped network least, if not by much (tests/benchmarks/baselines.py). Unlike a blur, it
# leaves nothing of the area that it hides.
DEFAULT_INFILL = "mean"


def ranking(heat: Tensor, signed: Tensor) -> Tensor:
    """Rank the pixels of a map: the order in which a falling threshold shows them.

    Pixels that are equal in the map, mostly zeros, are ordered by the signed map, those with less evidence against the
    class first. Remaining ties, as along the border, are broken at random with a fixed seed.

    Args:
        heat: (H, W), at least 0.
        signed: (H, W), the map before the ReLU.

    Returns:
        Indices (H * W,) into the flattened map.
    """
    order = torch.randperm(heat.numel(), generator=torch.Generator().manual_seed(0))
    for values in (signed.flatten(), heat.flatten()):
        order = order[values[order].sort(descending=True, stable=True).indices]
    return order
