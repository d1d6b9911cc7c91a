"""The weights before fine-tuning, which the fine-tuned ones are pulled to and averaged with.

What a network of many pictures knows is lost where a few patients do not need it. Two remedies keep it near its start:
a pull while it is trained (L2-SP, Li et al. 2018, arXiv 1802.01483), and an average afterwards (WiSE-FT, Wortsman et
al. 2022, arXiv 2109.01903). Both concern every trained weight: the stages, whose start is the initialization, and the
attention and the head, whose start is the probe.
"""

import copy
from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

__all__ = ["Anchor"]

Network = TypeVar("Network", bound=nn.Module)


class Anchor:
    """A copy of a network's trained weights and floating-point buffers, taken when it is created.

    Args:
        network: before fine-tuning; weights that require no gradient are left out.

    Attributes:
        weights: by their names in the network.
    """

    def __init__(self, network: nn.Module) -> None:
        self.weights = {name: value.detach().clone() for name, value in _moving(network).items()}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Replace the weights by those of another anchor of the same network."""
        for name, value in self.weights.items():
            value.copy_(weights[name])

    @torch.no_grad()
    def pull(self, network: nn.Module, optimizer: torch.optim.Optimizer, strength: float) -> None:
        """Remove from each trained weight the share learning rate x strength of its distance from the start.

        This is the gradient of strength / 2 |w - start|² (L2-SP), applied beside the optimizer's step as AdamW applies
        its weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101): Adam would divide it by the gradients' size.
        """
        rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
        for name, parameter in network.named_parameters():
            if id(parameter) in rates:
                parameter.lerp_(self.weights[name], rates[id(parameter)] * strength)

    @torch.no_grad()
    def averaged(self, network: Network, share: float) -> Network:
        """A copy of a fine-tuned network with `share` times its weights plus 1 - `share` times the start's.

        Statistics of batch-norm, if they were trained, are averaged as the weights are.
        """
        network = copy.deepcopy(network)
        for name, value in _moving(network).items():
            value.copy_(torch.lerp(self.weights[name], value, share))
        return network


def _moving(network: nn.Module) -> dict[str, Tensor]:
    """What fine-tuning may change: parameters that require a gradient, and floating-point buffers."""
    parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
    return parameters | {name: b for name, b in network.named_buffers() if b.is_floating_point()}
