"""Perturbation methods: they run the whole network many times, and need no gradient.

They take `(x, activations, networks, progress)`:

- x: (N, 3, H, W), the network's input;
- activations: (N, C, h, w) feature maps, used as masks or for their grid;
- networks: N functions, one for each image, from (M, 3, H, W) inputs to (M,) scores;
- progress: called with (done, total) network runs after each chunk; an exception raised in it cancels the method.

They return signed maps (N, h, w).
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from dala.cam.core import Head, method
from dala.heatmaps.resize import scaled_to_one
from dala.progress import Progress

__all__ = ["occlusion", "score_cam"]

CHUNK = 8  # images in one run of the network


@method(
    "score_cam",
    "Score-CAM",
    "Wang et al. 2020, arXiv 1910.01279",
    "each feature map weighted by the score of the picture that it masks; one run of the network a map",
    reruns=True,
)
def score_cam(x: Tensor, activations: Tensor, networks: Sequence[Head], progress: Progress) -> Tensor:
    """sum_k w_k A_k with w = softmax over channels of the score of the input masked by channel k, scaled to [0, 1].

    One network run for each channel. The score of a black input, which the paper subtracts, cancels in the softmax.
    """
    n, channels = activations.shape[:2]
    weights = []
    for i, network in enumerate(networks):
        scores = []
        for start in range(0, channels, CHUNK):
            part = activations[i, start : start + CHUNK]
            masks = interpolate(part[:, None], x.shape[2:], mode="bilinear", align_corners=False)[:, 0]
            scores.append(network(x[i] * scaled_to_one(masks)[:, None]))
            progress(i * channels + start + len(part), n * channels)
        weights.append(torch.cat(scores).softmax(0))
    return torch.einsum("nc,nchw->nhw", torch.stack(weights), activations)


@method(
    "occlusion",
    "occlusion",
    "Zeiler, Fergus 2014, arXiv 1311.2901",
    "how far the score drops when a square of the picture is covered; needs no gradient",
    reruns=True,
)
def occlusion(x: Tensor, activations: Tensor, networks: Sequence[Head], progress: Progress) -> Tensor:
    """Drop of the score when a square of the input is replaced by the mean colour.

    One square for each cell of the feature maps' grid, so that the map has the grid of the other methods. Squares at
    the lower and right edges may be smaller.
    """
    h, w = activations.shape[2:]
    height, width = -(-x.shape[2] // h), -(-x.shape[3] // w)
    maps = []
    for i, network in enumerate(networks):
        drops = []
        score = network(x[i : i + 1])
        for cells in torch.arange(h * w, device="cpu").split(CHUNK):
            covered = x[i].repeat(len(cells), 1, 1, 1)
            for copy, cell in zip(covered, cells.tolist(), strict=True):
                top, left = cell // w * height, cell % w * width
                copy[:, top : top + height, left : left + width] = 0
            drops.append(score - network(covered))
            progress(i * h * w + int(cells[-1]) + 1, len(networks) * h * w)
        maps.append(torch.cat(drops).view(h, w))
    return torch.stack(maps)
