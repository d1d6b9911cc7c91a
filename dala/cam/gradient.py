"""Class activation maps: pure, batched functions of feature maps and of the gradient of a score.

A method that does not rerun the network takes `(activations, gradient, heads)`:

- activations: (N, C, h, w) feature maps A, with no graph below;
- gradient: (N, C, h, w), of each image's score y with respect to A;
- heads: N functions, one for each image, from (M, C, h', w') feature maps to (M,) scores.

It returns (N, h, w), signed if the method distinguishes evidence for from evidence against; the positive part is shown.
Scores are logits or differences of logits, never a softmax, whose gradient mixes in the other classes and vanishes
where the network is certain.

If the head pools globally first, the gradient is the same at every position. Then `grad_cam`, `hires_cam` and
`xgrad_cam` are the same map: the mean of a constant is the constant, and so is its mean weighted by A.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dala.cam.core import EPS, Head, method


@method(
    "grad_cam",
    "Grad-CAM",
    "Selvaraju et al. 2017, arXiv 1610.02391",
    "each feature map weighted by its mean gradient, all added up; what is below zero is cut off",
)
def grad_cam(activations: Tensor, gradient: Tensor, heads: Sequence[Head]) -> Tensor:
    """sum_k mean_xy(dy/dA_k) A_k (eq. 1 and 2, before the ReLU). Linear in the gradient."""
    return torch.einsum("nc,nchw->nhw", gradient.mean((2, 3)), activations)


@method(
    "grad_cam_pp",
    "Grad-CAM++",
    "Chattopadhay et al. 2018, arXiv 1710.11063",
    "as Grad-CAM, but only positive gradients make the weights, and less so where a feature map is large",
)
def grad_cam_pp(activations: Tensor, gradient: Tensor, heads: Sequence[Head]) -> Tensor:
    """sum_k w_k A_k with w_k = sum_xy alpha_k ReLU(dy/dA_k), alpha_k = g^2 / (2 g^2 + g^3 sum_xy A_k) (eq. 19)."""
    # Both are divided by g^2, which underflows for small gradients; where g is negative, the ReLU makes the weight 0.
    positive = gradient.relu()
    below = 2 + positive * activations.sum((2, 3), keepdim=True)
    alpha = 1 / torch.where(below.abs() < EPS, EPS, below)
    weights = (alpha * positive).sum((2, 3))
    return torch.einsum("nc,nchw->nhw", weights, activations)


@method(
    "hires_cam",
    "HiResCAM",
    "Draelos, Carin 2020, arXiv 2011.08891",
    "the gradient times the feature map at every place, instead of one mean gradient for all places",
)
def hires_cam(activations: Tensor, gradient: Tensor, heads: Sequence[Head]) -> Tensor:
    """sum_k dy/dA_k * A_k, position by position. Linear in the gradient."""
    return (gradient * activations).sum(1)


@method(
    "xgrad_cam",
    "XGrad-CAM",
    "Fu et al. 2020, arXiv 2008.02312",
    "as Grad-CAM, but the mean of the gradient counts most where the feature map is strong",
)
def xgrad_cam(activations: Tensor, gradient: Tensor, heads: Sequence[Head]) -> Tensor:
    """sum_k w_k A_k with w_k the mean of dy/dA_k weighted by A_k. Linear in the gradient."""
    weights = (gradient * activations).sum((2, 3)) / (activations.sum((2, 3)) + EPS)
    return torch.einsum("nc,nchw->nhw", weights, activations)


@method(
    "layer_cam",
    "LayerCAM",
    "Jiang et al. 2021, doi 10.1109/TIP.2021.3089943",
    "positive gradients times the feature map at every place; made for earlier layers, too",
)
def layer_cam(activations: Tensor, gradient: Tensor, heads: Sequence[Head]) -> Tensor:
    """sum_k ReLU(dy/dA_k) * A_k, position by position."""
    return (gradient.relu() * activations).sum(1)
