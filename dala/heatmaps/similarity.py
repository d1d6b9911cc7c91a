"""Agreement of several maps of one picture: by rank everywhere, and by region at equal area.

A threshold does not change the ranking of pixels, so methods are compared by ranks, or by regions of equal area: at
their own thresholds, the larger region would win.
"""

import numpy as np
import torch
from torch import Tensor

from dala.errors import DalaError

__all__ = ["DEFAULT_SHARE", "AgreementError", "average_ranks", "overlap", "rank_correlation"]

DEFAULT_SHARE = 0.2


class AgreementError(DalaError):
    """A share of the area that is out of range."""


def rank_correlation(maps: Tensor) -> Tensor:
    """Spearman's rank correlation (1904) of every pair of maps; equal values share the average of their ranks.

    Args:
        maps: (n, H, W) on the network's input grid.

    Returns:
        (n, n) float64 from -1 to 1; nan for a constant map, which ranks nothing.
    """
    # NumPy sorts float32 in a tenth of the time that torch takes.
    ranks = torch.from_numpy(np.stack([average_ranks(values) for values in maps.flatten(1).numpy(force=True)]))
    centred = ranks - ranks.mean(1, keepdim=True)
    length = centred.norm(dim=1)
    return (centred @ centred.T / (length[:, None] * length)).clamp(-1, 1)


def overlap(maps: Tensor, share: float = DEFAULT_SHARE) -> Tensor:
    """Intersection over union of the strongest regions of every pair of maps, at equal area.

    The area is `share`, in whole pixels and at least one, or all positive pixels of the emptier map if it has fewer:
    its zeros have no order. Of equal values at the edge, the first in row-major order are taken.

    Args:
        maps: (n, H, W) on the network's input grid, at least 0.
        share: of the area, above 0 and at most 1.

    Returns:
        (n, n) float64 from 0 to 1; nan for a map that is zero everywhere.

    Raises:
        AgreementError: a share out of its range.
    """
    if not 0 < share <= 1:
        raise AgreementError(f"The share of the area must be above 0 and at most 1, not {share:g}.")
    regions = [_Regions(values) for values in maps.flatten(1).numpy(force=True)]
    wanted = max(1, round(share * maps[0].numel()))
    result = torch.full((len(maps), len(maps)), torch.nan, dtype=torch.float64, device="cpu")
    for i, first in enumerate(regions):
        for j, second in enumerate(regions[: i + 1]):
            if area := min(wanted, first.marked, second.marked):
                both = int((first.strongest(area) & second.strongest(area)).sum())
                result[i, j] = result[j, i] = both / (2 * area - both)
    return result


class _Regions:
    """Strongest pixels of a map (H * W,), cached by their number; `marked` counts those above 0."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.marked = values, int((values > 0).sum())
        self._cached: dict[int, np.ndarray] = {}

    def strongest(self, area: int) -> np.ndarray:
        """(H * W,) bool, exactly `area` of them true."""
        if area not in self._cached:
            weakest = np.partition(self.values, len(self.values) - area)[-area]
            region = self.values > weakest
            region[np.flatnonzero(self.values == weakest)[: area - int(region.sum())]] = True
            self._cached[area] = region
        return self._cached[area]


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks (n,) float64 from 0 of values (n,); equal values share the average of their ranks."""
    order = np.argsort(values)
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    counts = np.diff(starts, append=len(values))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(starts + (counts - 1) / 2, counts)
    return ranks
