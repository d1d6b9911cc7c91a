"""Decomposition of Grad-CAM into the contributions of the feature maps.

Grad-CAM is the positive part of sum_k alpha_k A_k, with alpha_k the mean of dy/dA_k over the positions (Selvaraju et
al. 2017, arXiv 1610.02391, eq. 1 and 2). Before a head that pools globally first, the gradient is the same at every
position, and alpha_k is its value.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from dala.errors import DalaError
from dala.explain.explanation import Explanation

__all__ = ["MOST", "Steps", "StepsError", "parse"]

MOST = 12  # channels shown at once


class StepsError(DalaError):
    """A channel that does not exist, or more channels than can be shown."""


@dataclass(frozen=True, eq=False)
class Steps:
    """The parts of Grad-CAM for one image and one score.

    Attributes:
        activations: the feature maps A, (C, h, w).
        gradient: of the score with respect to them, (C, h, w).
    """

    activations: Tensor
    gradient: Tensor

    @classmethod
    def of(cls, explanation: Explanation) -> "Steps":
        """The parts of an explanation with gradient, on the CPU."""
        return cls(explanation.activations[0].float().cpu(), explanation.gradient[0].float().cpu())

    @cached_property
    def weights(self) -> Tensor:
        """alpha, (C,): the gradient's mean over the positions."""
        return self.gradient.mean((1, 2))

    @cached_property
    def means(self) -> Tensor:
        """Mean of each feature map over the positions, (C,)."""
        return self.activations.mean((1, 2))

    @cached_property
    def contributions(self) -> Tensor:
        """alpha_k times the mean of A_k, (C,): the share of each channel in the mean of the signed map."""
        return self.weights * self.means

    @cached_property
    def ranking(self) -> Tensor:
        """Channels by the absolute value of their contribution, the largest first, (C,)."""
        return self.contributions.abs().argsort(descending=True, stable=True)

    @cached_property
    def places(self) -> Tensor:
        """Rank of each channel's weight, (C,): 1 is the largest, C the smallest."""
        order = self.weights.argsort(descending=True, stable=True)
        return torch.empty_like(order).scatter_(0, order, torch.arange(1, len(order) + 1, device=order.device))

    @cached_property
    def unevenness(self) -> float:
        """Largest deviation of the gradient from its mean over the positions, as a share of its largest value."""
        top = self.gradient.abs().max()
        deviation = (self.gradient - self.weights[:, None, None]).abs().max()
        return float(deviation / top) if top > 0 else 0.0

    @property
    def flat(self) -> bool:
        """Whether the gradient is the same at every position, but for rounding."""
        return self.unevenness <= 1e-5

    def share(self, channels: Sequence[int]) -> float:
        """Sum of the absolute contributions of these channels, as a share of the sum over all; 0 if all are 0."""
        total = self.contributions.abs().sum()
        return float(self.contributions[list(channels)].abs().sum() / total) if total > 0 else 0.0

    def parts(self, channels: Sequence[int] | None = None) -> Tensor:
        """alpha_k A_k of these channels, (n, h, w); over all channels, they add up to the signed map."""
        chosen = slice(None) if channels is None else list(channels)
        return self.weights[chosen, None, None] * self.activations[chosen]


def parse(text: str | None, count: int) -> list[int]:
    """Channel numbers, from 0, separated by commas or spaces; an empty list if the text is empty.

    Raises:
        StepsError: anything but numbers below `count`, or more of them than `MOST`.
    """
    words = [word for word in re.split(r"[\s,;]+", text or "") if word]
    for word in words:
        if not re.fullmatch(r"[0-9]{1,9}", word) or int(word) >= count:
            raise StepsError(f"There is no channel {word[:20]!r}: give numbers from 0 to {count - 1}.")
    chosen = list(dict.fromkeys(map(int, words)))
    if len(chosen) > MOST:
        raise StepsError(f"{len(chosen)} channels are too many to be shown: give at most {MOST}.")
    return chosen
