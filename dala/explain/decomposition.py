"""Grad-CAM taken apart: what each feature map adds to it. Tensors in, tensors out.

Grad-CAM is the positive part of sum_k alpha_k A_k, with alpha_k the mean of dy/dA_k over the positions (Selvaraju et
al. 2017, arXiv 1610.02391, eq. 1 and 2). Behind a head that pools globally first, the gradient is the same at every
position, so that alpha_k is simply its value.
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

MOST = 12  # channels that are shown at once


class StepsError(DalaError):
    """A channel that does not exist, or more of them than can be shown."""


@dataclass(frozen=True, eq=False)
class Steps:
    """What Grad-CAM is made of, for one picture and one score.

    Attributes:
        activations: the feature maps A, (C, h, w).
        gradient: of the score with respect to them, (C, h, w).
    """

    activations: Tensor
    gradient: Tensor

    @classmethod
    def of(cls, explanation: Explanation) -> "Steps":
        """The parts of an explanation that still has its gradient, on the CPU."""
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
        """alpha_k times the mean of A_k, (C,): what each channel adds to the mean of the signed map."""
        return self.weights * self.means

    @cached_property
    def ranking(self) -> Tensor:
        """Channels by the size of what they contribute, whether for or against, the largest first, (C,)."""
        return self.contributions.abs().argsort(descending=True, stable=True)

    @cached_property
    def places(self) -> Tensor:
        """Where each channel's weight stands among all, (C,): 1 is the strongest for, C the strongest against."""
        order = self.weights.argsort(descending=True, stable=True)
        return torch.empty_like(order).scatter_(0, order, torch.arange(1, len(order) + 1))

    @cached_property
    def unevenness(self) -> float:
        """How far the gradient strays from its mean over the positions, at most, as a share of its largest value."""
        top = self.gradient.abs().max()
        strayed = (self.gradient - self.weights[:, None, None]).abs().max()
        return float(strayed / top) if top > 0 else 0.0

    @property
    def flat(self) -> bool:
        """Is the gradient the same at every position, but for rounding?"""
        return self.unevenness <= 1e-5

    def share(self, channels: Sequence[int]) -> float:
        """What these channels contribute, sizes added up, as a share of what all do; 0 where nothing contributes."""
        total = self.contributions.abs().sum()
        return float(self.contributions[list(channels)].abs().sum() / total) if total > 0 else 0.0

    def parts(self, channels: Sequence[int] | None = None) -> Tensor:
        """alpha_k A_k of these channels, (n, h, w); of all, they add up to the signed map."""
        chosen = slice(None) if channels is None else list(channels)
        return self.weights[chosen, None, None] * self.activations[chosen]


def parse(text: str | None, count: int) -> list[int]:
    """Channels by number, from 0, separated by commas or blanks; none where the text is empty.

    Raises:
        StepsError: something else than numbers below `count`, or more than `MOST`.
    """
    words = [word for word in re.split(r"[\s,;]+", text or "") if word]
    for word in words:
        if not re.fullmatch(r"[0-9]{1,9}", word) or int(word) >= count:
            raise StepsError(f"There is no channel {word[:20]!r}: give numbers from 0 to {count - 1}.")
    chosen = list(dict.fromkeys(map(int, words)))
    if len(chosen) > MOST:
        raise StepsError(f"{len(chosen)} channels are too many to be shown: give at most {MOST}.")
    return chosen
