"""Localization: how far a map agrees with a ground-truth mask.

Agreement does not show that the network used what the mask marks. The grid of a map is coarse, so each measure is
reported with its ceiling: the measure of the mask itself on that grid.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from dala.errors import DalaError
from dala.heatmaps import resize
from dala.heatmaps.similarity import average_ranks

__all__ = ["Localisation", "LocalisationError", "ceiling", "iou", "localise", "pixel_auc"]


class LocalisationError(DalaError):
    """A mask that is empty or full or of another size than the map, or a map that is zero everywhere."""


@dataclass(frozen=True)
class Localisation:
    """Measures of one map against one mask; each in [0, 1].

    Attributes:
        energy: share of the map's sum inside the mask (relevance mass accuracy, Arras et al. 2022, arXiv 2003.07258;
            energy-based pointing game, Wang et al. 2020, arXiv 1910.01279). A uniform map has the mask's share of the
            area.
        pointing: 1 if the maximum of the map is inside the mask (pointing game, Zhang et al. 2018, arXiv 1608.00507);
            of several equal maxima the share that is.
        auc: probability that a pixel inside is ranked above one outside, ties count half; 0.5 is chance.
        area_iou: intersection over union of the mask with as many pixels, the highest of the map.
    """

    energy: float
    pointing: float
    auc: float
    area_iou: float


def localise(heat: Tensor, mask: Tensor) -> Localisation:
    """Measure a map against a mask on the same grid.

    Args:
        heat: (H, W), at least 0, with a positive maximum.
        mask: (H, W) bool, neither empty nor full.

    Raises:
        LocalisationError: sizes that differ, an empty or full mask, or a map that is zero everywhere.
    """
    _check(heat, mask)
    values = heat.double()
    top = values == values.max()
    count = int(mask.sum())
    # Of equal values at the edge of the area each counts with the share that still fits.
    edge = float(np.sort(values.numpy().ravel())[-count])
    above, at = values > edge, values == edge
    part = (count - int(above.sum())) / int(at.sum())
    hit = float((above & mask).sum()) + part * float((at & mask).sum())
    return Localisation(
        energy=float(values[mask].sum() / values.sum()),
        pointing=float((top & mask).sum() / top.sum()),
        auc=pixel_auc(values, mask),
        area_iou=hit / (2 * count - hit),
    )


def pixel_auc(values: Tensor, mask: Tensor) -> float:
    """Compute the area under the ROC curve of pixels inside a mask against those outside, ranked by a map.

    Ties count half.

    Args:
        values: (H, W) map.
        mask: (H, W) bool, neither empty nor full.
    """
    # Mann-Whitney: the rank sum of the pixels inside.
    ranks = average_ranks(values.numpy().ravel())
    inside = ranks[mask.numpy().ravel()]
    n = len(inside)
    return float((inside.sum() - n * (n - 1) / 2) / (n * (len(ranks) - n)))


def iou(kept: Tensor, mask: Tensor) -> float:
    """Compute the intersection over union of a kept region and a mask, (H, W) bool each; 0 if nothing is kept."""
    return float((kept & mask).sum() / (kept | mask).sum().clamp(min=1))


def ceiling(mask: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return the best map (H, W) that a grid can hold: the mask's share of each cell, upsampled like any map.

    Args:
        mask: (H, W) bool on the network's input grid.
        grid: (h, w) of the raw map.
    """
    cells = adaptive_avg_pool2d(mask.float()[None, None], grid)[0, 0]
    return resize.upsample(cells, (mask.shape[0], mask.shape[1]))


def _check(heat: Tensor, mask: Tensor) -> None:
    if heat.shape != mask.shape:
        raise LocalisationError(
            f"The mask has {tuple(mask.shape)} and the map {tuple(heat.shape)} pixels; they have to be equal."
        )
    if not mask.any() or mask.all():
        raise LocalisationError(
            "A mask that marks nothing or everything cannot measure a map; use one that marks a part."
        )
    if not heat.max() > 0:
        raise LocalisationError("A map that is zero everywhere cannot be measured; leave it out.")
