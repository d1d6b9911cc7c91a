"""Methods that take the first principal component of feature maps."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dala.cam.core import Head, method


@method(
    "eigen_cam",
    "Eigen-CAM",
    "Muhammad, Yeasin 2020, arXiv 2008.00299",
    "the strongest pattern that the feature maps have in common; it knows no class",
)
def eigen_cam(activations: Tensor, gradient: Tensor, heads: Sequence[Head]) -> Tensor:
    """Projection of A on its first principal component over positions. Independent of the class.

    A component's sign is arbitrary: it is chosen so that the projection rises with the mean of A.
    """
    return _first_component(activations, activations.mean(1))


@method(
    "eigen_grad_cam",
    "EigenGrad-CAM",
    "Eigen-CAM of the gradient times A",
    "the strongest pattern that gradient times feature map have in common; so it does know the class",
)
def eigen_grad_cam(activations: Tensor, gradient: Tensor, heads: Sequence[Head]) -> Tensor:
    """Projection of dy/dA * A on its first principal component over positions, rising with HiResCAM."""
    product = gradient * activations
    return _first_component(product, product.sum(1))


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
    # On the CPU: not every device supports it, and the matrix is small.
    size, vectors = torch.linalg.eigh(matrix.cpu())
    return size.to(matrix.device), vectors.to(matrix.device)
