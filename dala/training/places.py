"""Places of a picture: their features, relative to the picture's mean, and how much of each lies on nuclei.

A classifier of whole pictures is free to find its evidence anywhere, and on a few dozen patients it does: its maps are
as strong beside cells as on them. A probe can be pulled to find it where nuclei are (`probes.fit_linear`), as in
"right for the right reasons" (Ross et al. 2017, arXiv 1703.03717), with a mask that needs no annotation.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from dala.heatmaps import thresholds
from dala.images.preprocessing import Preprocessing
from dala.images.stain import optical_density

__all__ = ["COUNT", "Places", "sample"]

COUNT = 24  # of each picture


@dataclass(frozen=True)
class Places:
    """Sampled places of n pictures.

    Attributes:
        evidence: (n, COUNT, C) float16 features of the places, minus the mean of the picture's map.
        nuclei: (n, COUNT) share of each place that is darkly stained, minus the picture's.
    """

    evidence: Tensor
    nuclei: Tensor

    def of(self, pictures: list[int]) -> "Places":
        """The places of some pictures."""
        return Places(self.evidence[pictures], self.nuclei[pictures])


def sample(features: Tensor, x: Tensor, preprocessing: Preprocessing) -> tuple[Tensor, Tensor]:
    """Sample places of one picture, the same ones of every map of one size.

    Darkly stained is a mean optical density above Otsu's threshold of the picture: nuclei, mostly.

    Args:
        features: (C, h, w) map of the picture.
        x: (3, H, W) the picture, normalised.
        preprocessing: by which it was normalised.

    Returns:
        a row each of `Places.evidence` and `Places.nuclei`.
    """
    mean, std = (torch.tensor(v)[:, None, None] for v in (preprocessing.mean, preprocessing.std))
    pixels = ((x.cpu() * std + mean) * 255).numpy()
    density = torch.from_numpy(optical_density(np.maximum(pixels, 0))).mean(0).clamp(min=0)
    dark = thresholds.apply(density, "otsu").mask.float()[None, None]
    share = adaptive_avg_pool2d(dark, (features.shape[1], features.shape[2])).flatten()
    flat = features.flatten(1).T.float().cpu()
    order = torch.randperm(len(flat), generator=torch.Generator().manual_seed(0))
    chosen = order.repeat(-(-COUNT // len(order)))[:COUNT]
    return (flat - flat.mean(0))[chosen].half(), (share - share.mean())[chosen]
