"""Class activation maps: pure functions of feature maps and the gradient of a score with respect to them."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

__all__ = ["METHODS", "Method", "grad_cam", "head_gradient", "upsample"]

Method = Callable[[Tensor, Tensor, Callable[[Tensor], Tensor]], Tensor]


def head_gradient(head: Callable[[Tensor], Tensor], activations: Tensor, target: int) -> tuple[Tensor, Tensor]:
    """Logits, and the gradient of one of them with respect to the feature maps.

    The score is the logit, not its softmax: a softmax's gradient mixes in the other classes and vanishes where the
    network is sure. The graph starts at `activations`; no parameter receives a gradient.

    Args:
        head: (N, C, h, w) -> (N, classes) logits.
        activations: (N, C, h, w), with no graph below.
        target: class index.

    Returns:
        logits (N, classes) and gradient (N, C, h, w), both detached.
    """
    with torch.enable_grad():
        start = activations.detach().requires_grad_()
        logits = head(start)
        (gradient,) = torch.autograd.grad(logits[:, target].sum(), start)
    return logits.detach(), gradient


def grad_cam(activations: Tensor, gradient: Tensor, head: Callable[[Tensor], Tensor]) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391, eq. 1 and 2): ReLU(sum_k mean_xy(dy/dA_k) A_k).

    After a head that pools globally first, the gradient is the same at every position, and HiResCAM and XGrad-CAM would
    give this very map.

    Args:
        activations: (N, C, h, w).
        gradient: (N, C, h, w), of the explained score.
        head: not needed here.

    Returns:
        (N, h, w), at least 0, in units of the score.
    """
    weights = gradient.mean((2, 3), keepdim=True)
    return (weights * activations).sum(1).relu()


METHODS: dict[str, Method] = {"grad_cam": grad_cam}


def upsample(raw: Tensor, size: tuple[int, int]) -> Tensor:
    """Raw map (h, w) -> (height, width), bilinear, `align_corners=False`: the one place where a map is resized."""
    return interpolate(raw[None, None], size, mode="bilinear", align_corners=False)[0, 0]
