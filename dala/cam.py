"""Class activation maps: pure, batched functions of feature maps and of the gradient of a score.

Every method that needs the maps alone takes `(activations, gradient, heads)`:

- activations: (N, C, h, w) feature maps A, with no graph below;
- gradient: (N, C, h, w), of each picture's score y with respect to A;
- heads: N functions, one a picture, from (M, C, h', w') feature maps to (M,) scores.

It returns (N, h, w), signed where the method tells for from against; what is shown is its positive part. Scores are
logits or differences of logits, never a softmax, whose gradient mixes in the other classes and vanishes where the
network is sure.

After a head that pools globally first, the gradient is the same at every position. Then `grad_cam`, `hires_cam` and
`xgrad_cam` are one and the same map: the mean of a constant is the constant, and so is its mean weighted by A.
"""

import os
import runpy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from dala.errors import DalaError
from dala.targets import Score, total_score

__all__ = [
    "METHODS",
    "Method",
    "MethodsError",
    "load_own",
    "method",
    "scaled_to_one",
    "score_gradient",
    "upsample",
]

Head = Callable[[Tensor], Tensor]
MapFunction = Callable[..., Tensor]
EPS = 1e-8


class MethodsError(DalaError):
    """A file of methods that cannot be used."""


@dataclass(frozen=True)
class Method:
    """A registered method.

    Attributes:
        function: `(activations, gradient, heads)` -> map; or, where it `reruns`, see `dala.rerun`.
        title: what people call it.
        paper: where it comes from.
        meaning: one line for a learner.
        reruns: it runs the whole network again and again, so that it takes minutes rather than milliseconds.
        per_channel: it asks the head once a channel: milliseconds where the head pools first, minutes further down.
        control: it looks at neither picture nor network, and is there to be beaten.
    """

    function: MapFunction
    title: str
    paper: str
    meaning: str = ""
    reruns: bool = False
    per_channel: bool = False
    control: bool = False

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """Apply `function`."""
        return self.function(*args, **kwargs)


METHODS: dict[str, Method] = {}


def method(
    name: str, title: str, paper: str = "", meaning: str = "", **flags: bool
) -> Callable[[MapFunction], MapFunction]:
    """Decorator: register a method under a name. A file of your own, named by `DALA_METHODS`, may use it too."""

    def register(function: MapFunction) -> MapFunction:
        METHODS[name] = Method(function, title, paper, meaning, **flags)
        return function

    return register


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
    # Divided by g^2, which underflows where the gradient is small; where g is negative, the ReLU takes all.
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


@method(
    "eigen_cam",
    "Eigen-CAM",
    "Muhammad, Yeasin 2020, arXiv 2008.00299",
    "the strongest pattern that the feature maps have in common; it knows no class",
)
def eigen_cam(activations: Tensor, gradient: Tensor, heads: Sequence[Head]) -> Tensor:
    """Projection of A on its first principal component over positions. Knows no class.

    A component's sign is arbitrary: it is turned so that it rises with the mean of A.
    """
    return _first_component(activations, activations.mean(1))


@method(
    "eigen_grad_cam",
    "EigenGrad-CAM",
    "Eigen-CAM of the gradient times A",
    "the strongest pattern that gradient times feature map have in common; so it does know the class",
)
def eigen_grad_cam(activations: Tensor, gradient: Tensor, heads: Sequence[Head]) -> Tensor:
    """Projection of dy/dA * A on its first principal component over positions, turned to rise with HiResCAM."""
    product = gradient * activations
    return _first_component(product, product.sum(1))


@method(
    "random", "random map", "control", "noise that sees neither picture nor network: there to be beaten", control=True
)
def random(activations: Tensor, gradient: Tensor, heads: Sequence[Head]) -> Tensor:
    """Uniform noise in [0, 1), the same at every call and for every picture of a size."""
    n, _, h, w = activations.shape
    noise = torch.rand(h, w, generator=torch.Generator().manual_seed(0))
    return noise.to(activations.device).expand(n, h, w)


@method(
    "centre_gaussian",
    "centred Gaussian",
    "control",
    "a blob in the middle that sees neither picture nor network: there to be beaten",
    control=True,
)
def centre_gaussian(activations: Tensor, gradient: Tensor, heads: Sequence[Head]) -> Tensor:
    """A Gaussian in the middle, its standard deviation a quarter of each side."""
    n, _, h, w = activations.shape
    y, x = (torch.linspace(-1 + 1 / size, 1 - 1 / size, size, device=activations.device) for size in (h, w))
    return torch.exp(-2 * (y[:, None] ** 2 + x**2)).expand(n, h, w)


def score_gradient(head: Head, activations: Tensor, scores: Sequence[Score]) -> tuple[Tensor, Tensor]:
    """Logits, and the gradient of each picture's score with respect to its feature maps.

    The graph starts at the feature maps; no parameter receives a gradient.

    Args:
        head: (N, C, h, w) -> (N, classes) logits.
        activations: (N, C, h, w), with no graph below.
        scores: one a picture, (M, classes) logits -> (M,) scores.

    Returns:
        logits (N, classes) and gradient (N, C, h, w), both detached.
    """
    with torch.enable_grad():
        start = activations.detach().requires_grad_()
        logits = head(start)
        total = total_score(scores, logits)
        (gradient,) = torch.autograd.grad(total, start)
    return logits.detach(), gradient


def load_own() -> None:
    """Register the methods of the file that the environment's `DALA_METHODS` names, once.

    Raises:
        MethodsError: the file is not there or does not run.
    """
    if file := os.environ.get("DALA_METHODS"):
        _load(file)


@lru_cache
def _load(file: str) -> None:
    try:
        runpy.run_path(file)
    except Exception as error:  # it is somebody's own code
        raise MethodsError(f"DALA_METHODS={file}: {type(error).__name__}: {error}.") from error


def scaled_to_one(maps: Tensor) -> Tensor:
    """(C, h, w) -> the same, each map stretched from its minimum and maximum to 0 and 1; a flat one becomes 0."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low + EPS)


def upsample(raw: Tensor, size: tuple[int, int]) -> Tensor:
    """Raw map (h, w) -> (height, width), bilinear, `align_corners=False`: the one place where a map is resized."""
    return interpolate(raw[None, None], size, mode="bilinear", align_corners=False)[0, 0]


def _first_component(values: Tensor, direction: Tensor) -> Tensor:
    n, c, h, w = values.shape
    x = values.flatten(2).transpose(1, 2)
    x = x - x.mean(1, keepdim=True)
    # The smaller of the two Gram matrices, of positions or of channels, instead of a singular value decomposition.
    if h * w <= c:
        size, vectors = _eigh(x @ x.transpose(1, 2))
        component = vectors[..., -1] * size[:, -1:].clamp(min=0).sqrt()
    else:
        component = (x @ _eigh(x.transpose(1, 2) @ x)[1][..., -1:])[..., 0]
    centred = direction.flatten(1) - direction.flatten(1).mean(1, keepdim=True)
    falls = (component * centred).sum(1, keepdim=True) < 0
    return torch.where(falls, -component, component).view(n, h, w)


def _eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    # On the CPU: not every device has it, and the matrix is small.
    size, vectors = torch.linalg.eigh(matrix.cpu())
    return size.to(matrix.device), vectors.to(matrix.device)
