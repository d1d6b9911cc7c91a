"""How far the maps of several methods agree on one picture: by rank everywhere, and by region at equal area.

A threshold does not change which pixel ranks above which, so methods are compared by ranks, or by regions of one size:
at their own thresholds, the larger region would win.
"""

import torch
from torch import Tensor

from dala.errors import DalaError

__all__ = ["DEFAULT_SHARE", "AgreementError", "overlap", "rank_correlation"]

DEFAULT_SHARE = 0.2


class AgreementError(DalaError):
    """A share of the area that is none."""


def rank_correlation(maps: Tensor) -> Tensor:
    """Spearman's rank correlation (1904) of every pair of maps; equal values share the average of their ranks.

    Args:
        maps: (n, H, W) on the network's input grid.

    Returns:
        (n, n) float64 from -1 to 1; nan beside a map that is the same everywhere, which ranks nothing.
    """
    ranks = torch.stack([_average_ranks(values) for values in maps.flatten(1)])
    centred = ranks - ranks.mean(1, keepdim=True)
    length = centred.norm(dim=1)
    return (centred @ centred.T / (length[:, None] * length)).clamp(-1, 1)


def overlap(maps: Tensor, share: float = DEFAULT_SHARE) -> Tensor:
    """Intersection over union of every pair's strongest regions, at an area that is the same for both.

    The area is the share asked, in whole pixels and at least one, or all that the emptier of the two marks at all:
    which of its zeros come first says nothing. Of equal values at the edge, the first row by row count.

    Args:
        maps: (n, H, W) on the network's input grid, at least 0.
        share: of the area, above 0 and at most 1.

    Returns:
        (n, n) float64 from 0 to 1; nan beside a map that is zero everywhere.

    Raises:
        AgreementError: a share out of its range.
    """
    if not 0 < share <= 1:
        raise AgreementError(f"The share of the area to compare lies above 0 and goes up to 1, not {share:g}.")
    values = maps.flatten(1)
    wanted = max(1, round(share * values.shape[1]))
    marked = (values > 0).sum(1).clamp(max=wanted).tolist()
    # Each pixel's place in its map's order, from the strongest on.
    places = values.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    result = torch.full((len(maps), len(maps)), torch.nan, dtype=torch.float64)
    for i, first in enumerate(marked):
        for j, second in enumerate(marked[: i + 1]):
            if area := min(first, second):
                both = int(((places[i] < area) & (places[j] < area)).sum())
                result[i, j] = result[j, i] = both / (2 * area - both)
    return result


def _average_ranks(values: Tensor) -> Tensor:
    _, group, counts = values.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts - 1) / 2)[group]
