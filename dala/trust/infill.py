"""Parts of a picture hidden: in which order its pixels go, and what is put in their place."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

__all__ = ["BASELINES", "DEFAULT_BASELINE", "Baseline", "ranking"]


@dataclass(frozen=True)
class Baseline:
    """What hidden pixels become.

    Attributes:
        fill: RGB picture -> RGB picture of the same size.
        label: what people call it.
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
    # At 700x460 px 29 px: nuclei and fibres are gone, where it is pink and where it is blue is not.
    return picture.filter(ImageFilter.GaussianBlur(min(picture.size) / 16))


BASELINES: dict[str, Baseline] = {
    "mean": Baseline(_mean, "mean colour", "the average colour of this picture"),
    "blur": Baseline(_blur, "blur", "the same place without its nuclei and fibres; colours stay where they are"),
    "white": Baseline(_white, "white", "bare glass, as where a slide holds no tissue"),
}
# Of the three the least strange to the shipped network, if not by much (tests/benchmarks/baselines.py); and unlike a
# blur it leaves nothing of the place that it hides.
DEFAULT_BASELINE = "mean"


def ranking(heat: Tensor, signed: Tensor) -> Tensor:
    """Pixels in the order in which a falling threshold shows them: indices (H * W,) into the flattened map.

    Of pixels that are equal in the map, mostly zeros, those with less evidence against come first; of pixels that are
    equal in that too, as along the border, none is preferred: their order is drawn, the same at every call.

    Args:
        heat: (H, W), at least 0.
        signed: (H, W), the map before its negative part was cut off.
    """
    order = torch.randperm(heat.numel(), generator=torch.Generator().manual_seed(0))
    for values in (signed.flatten(), heat.flatten()):
        order = order[values[order].sort(descending=True, stable=True).indices]
    return order
