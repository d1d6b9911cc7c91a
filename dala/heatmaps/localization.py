"""Localization: measures of a map against a ground-truth mask.

They measure how far a map agrees with a mask, not whether the network used what the mask marks. A map's grid is coarse:
every figure is reported with its ceiling, that of the mask itself on the map's grid.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from dala.errors import DalaError
from dala.heatmaps import resize

__all__ = ["Localisation", "LocalisationError", "ceiling", "iou", "localise", "pixel_auc"]


class LocalisationError(DalaError):
    """A mask that marks nothing or everything, or one of another size than the map."""


@dataclass(frozen=True)
class Localisation:
    """Measures of one map on one mask, each in [0, 1].

    Attributes:
        energy: share of the map's sum inside the mask (relevance mass accuracy, Arras et al. 2022, arXiv 2003.07258;
            energy-based pointing game, Wang et al. 2020, arXiv 1910.01279). A map that sees nothing has the mask's
            share of the area.
        pointing: 1 if the map's maximum lies inside the mask (pointing game, Zhang et al. 2018, arXiv 1608.00507), of
            several equal maxima the share that does.
        auc: how often a pixel inside is ranked above one outside, ties half; 0.5 is chance.
        area_iou: intersection over union of the mask with as many of the map's highest pixels.
    """

    energy: float
    pointing: float
    auc: float
    area_iou: float


def localise(heat: Tensor, mask: Tensor) -> Localisation:
    """Measure a map against a mask on one grid.

    Args:
        heat: (H, W), at least 0, with a positive maximum.
        mask: (H, W) bool, neither empty nor full.

    Raises:
        LocalisationError: another size, an empty or full mask, or a map that is zero everywhere.
    """
    _check(heat, mask)
    values = heat.double()
    top = values == values.max()
    count = int(mask.sum())
    # Of equal values at the edge of the area none is preferred: each counts with the share that still fits.
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
    """Area under the ROC curve of pixels inside a mask against those outside, ranked by a map; ties count half."""
    # Of the ranks of the pixels inside, equal values sharing the average of theirs (Mann-Whitney).
    every, within = np.sort(values.numpy().ravel()), values[mask].numpy()
    ranks = (np.searchsorted(every, within, "left") + np.searchsorted(every, within, "right") + 1) / 2
    n = len(within)
    return float((ranks.sum() - n * (n + 1) / 2) / (n * (len(every) - n)))


def iou(kept: Tensor, mask: Tensor) -> float:
    """Intersection over union of the region that a threshold keeps and a mask, (H, W) bool each; 0 of nothing kept."""
    return float((kept & mask).sum() / (kept | mask).sum().clamp(min=1))


def ceiling(mask: Tensor, grid: tuple[int, int]) -> Tensor:
    """(H, W) the best map that a grid can hold: the mask's share of each cell, upsampled as every map is.

    Args:
        mask: (H, W) bool on the network's input grid.
        grid: (h, w) of the raw map.
    """
    cells = adaptive_avg_pool2d(mask.float()[None, None], grid)[0, 0]
    return resize.upsample(cells, (mask.shape[0], mask.shape[1]))


def _check(heat: Tensor, mask: Tensor) -> None:
    if heat.shape != mask.shape:
        raise LocalisationError(f"The mask is of {tuple(mask.shape)} and the map of {tuple(heat.shape)} pixels.")
    if not mask.any() or mask.all():
        raise LocalisationError("A mask that marks nothing or everything tells nothing about a map.")
    if not heat.max() > 0:
        raise LocalisationError("A map that is zero everywhere points nowhere.")
