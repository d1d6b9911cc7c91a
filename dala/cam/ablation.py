"""Methods that change the feature maps and run the head again: without one channel, or with one region alone."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from dala.cam.core import EPS, Head, method
from dala.errors import DalaError
from dala.heatmaps.resize import scaled_to_one
from dala.progress import step

__all__ = ["ablation_cam", "head_score_cam", "pools_first"]


@method(
    "ablation_cam",
    "Ablation-CAM",
    "Desai, Ramaswamy 2020, doi 10.1109/WACV45572.2020.9093360",
    "each feature map weighted by how far the score drops when it is set to zero",
    per_channel=True,
)
def ablation_cam(activations: Tensor, gradient: Tensor, heads: Sequence[Head]) -> Tensor:
    """sum_k w_k A_k with w_k the relative drop of the score when channel k is set to zero.

    The paper divides by the score; here it is the absolute score, which is the same for a positive score and keeps the
    sign of the drop for a negative one.
    """
    weights = []
    for a, head in zip(activations, heads, strict=True):
        whole = a[None]
        score = head(whole)
        if pools_first(head, whole):
            whole = whole.mean((2, 3), keepdim=True)
        channels = torch.arange(len(a), device=a.device)
        ablated = _in_slices(partial(_ablated, head, whole), channels, _chunk(whole))
        weights.append((score - ablated) / (score.abs() + EPS))
    return torch.einsum("nc,nchw->nhw", torch.stack(weights), activations)


@method(
    "head_score_cam",
    "Head-Score-CAM",
    "after Wang et al. 2020, arXiv 1910.01279",
    "each feature map weighted by the score that is left when it masks all the others",
    per_channel=True,
)
def head_score_cam(activations: Tensor, gradient: Tensor, heads: Sequence[Head]) -> Tensor:
    """sum_k w_k A_k with w = softmax over channels of the score when A is masked by channel k, scaled to [0, 1].

    Score-CAM masks the input and runs the whole network for each channel; here A is masked and only the head runs. That
    takes milliseconds, and measures something else: the score of a region's features, whose receptive fields include
    its surroundings.
    """
    weights = []
    for a, head in zip(activations, heads, strict=True):
        masks = scaled_to_one(a)
        if pools_first(head, a[None]):
            # The mean over positions of mask k times A_c, for every k and c at once.
            pooled = masks.flatten(1) @ a.flatten(1).T / masks[0].numel()
            scores = head(pooled[:, :, None, None])
        else:
            scores = _in_slices(partial(_masked, head, a), masks, _chunk(a[None]))
        weights.append(scores.softmax(0))
    return torch.einsum("nc,nchw->nhw", torch.stack(weights), activations)


def pools_first(head: Head, activations: Tensor) -> bool:
    """Whether a head pools globally first: it returns the same for feature maps (1, C, h, w) and for their means.

    Tested on the maps, and on the maps with half of their values set to zero at random.
    """
    generator = torch.Generator().manual_seed(0)
    half = torch.rand(activations.shape, generator=generator, dtype=torch.float32, device="cpu") < 0.5
    for a in (activations, activations * half.to(activations.device)):
        try:
            pooled = head(a.mean((2, 3), keepdim=True))
        except (RuntimeError, DalaError):  # a layer for which a single position is too small
            return False
        if not torch.allclose(head(a), pooled, rtol=1e-4, atol=0):
            return False
    return True


def _without(whole: Tensor, channels: Tensor) -> Tensor:
    copies = whole.repeat(len(channels), 1, 1, 1)
    copies[torch.arange(len(channels), device=channels.device), channels] = 0
    return copies


def _in_slices(score: Head, channels: Tensor, size: int) -> Tensor:
    """Scores of all channels, a few at a time; others may use the network in between."""
    parts = []
    for done, part in enumerate(chunks := channels.split(size), 1):
        parts.append(score(part))
        step(done, len(chunks))
    return torch.cat(parts)


def _ablated(head: Head, whole: Tensor, channels: Tensor) -> Tensor:
    return head(_without(whole, channels))


def _masked(head: Head, a: Tensor, masks: Tensor) -> Tensor:
    return head(a * masks[:, None])


def _chunk(whole: Tensor) -> int:
    # About 16 MB of float32 at once: a fraction of a second on two cores, however low the layer.
    return max(1, 4_000_000 // whole.numel())
