"""Results of keep-only and remove-only: the curves over the kept area, and the areas under them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dala.errors import DalaError
from dala.explain.explanation import Explanation

__all__ = ["SCALES", "Change", "Curve", "KeepRemove", "TrustError", "margin", "output"]

# The two measures of the network's output for a class, with their names on the page.
SCALES = {"probability": "probability", "margin": "logit margin"}


class TrustError(DalaError):
    """A map, infill or area for which keep-only and remove-only are not defined."""


@dataclass(frozen=True)
class Curve:
    """The network's output for the explained class at each kept area: probabilities, logits and margins.

    A margin is the logit of the class minus the largest other logit: above 0 the class wins. Where a probability is
    1.000 or 0.000 for every part of a picture, the margin still shows which part the network needs.
    """

    keep: tuple[float, ...]
    remove: tuple[float, ...]
    keep_logits: tuple[float, ...]
    remove_logits: tuple[float, ...]
    keep_margins: tuple[float, ...]
    remove_margins: tuple[float, ...]

    def pair(self, scale: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Keep-only and remove-only on one of `SCALES`."""
        return (self.keep, self.remove) if scale == "probability" else (self.keep_margins, self.remove_margins)


@dataclass(frozen=True)
class KeepRemove:
    """Keep-only and remove-only of a map, and of controls at the same kept areas.

    Attributes:
        method: the method of the map.
        target: the class whose output is followed.
        baseline: a name from `dala.trust.infill.INFILLS`.
        areas: kept shares of the picture, rising; whole pixels.
        curves: by method, the map's own first.
        runs: number of pictures that went through the network.
    """

    method: str
    target: str
    baseline: str
    areas: tuple[float, ...]
    curves: dict[str, Curve]
    runs: int

    def at(self, area: float, method: str | None = None, scale: str = "probability") -> tuple[float, float]:
        """(Keep-only, remove-only) at a kept area, on one of `SCALES`, linearly interpolated between measured areas.

        Raises:
            TrustError: an area outside the measured range.
        """
        if not self.areas[0] <= area <= self.areas[-1]:
            limits = f"{100 * self.areas[0]:g} to {100 * self.areas[-1]:g} %"
            raise TrustError(f"Kept areas were measured from {limits}, not at {100 * area:g} %.")
        keep, remove = self.curves[method or self.method].pair(scale)
        return float(np.interp(area, self.areas, keep)), float(np.interp(area, self.areas, remove))

    def insertion(self, method: str | None = None, scale: str = "probability") -> float:
        """Area under keep-only over the kept area, highest pixels first; high if few pixels suffice for the class.

        Source of insertion and deletion: Petsiuk et al. 2018 (RISE), arXiv 1806.07421.
        """
        return float(np.trapezoid(self.curves[method or self.method].pair(scale)[0], self.areas))

    def deletion(self, method: str | None = None, scale: str = "probability") -> float:
        """Area under remove-only over the removed area; low if the network needs the first pixels."""
        return float(np.trapezoid(self.curves[method or self.method].pair(scale)[1], self.areas))


@dataclass(frozen=True)
class Change:
    """The probability of the explained class for the whole picture, and for the picture weighted by a map.

    Over many pictures the mean of `drop` is the average drop, and the mean of `increase` the increase in confidence
    (Chattopadhay et al. 2018, arXiv 1710.11063). Both favour large maps: a map that is 1 everywhere has a drop of 0.
    """

    whole: float
    weighted: float

    @property
    def drop(self) -> float:
        """The relative decrease of the probability, in [0, 1]."""
        return max(0.0, self.whole - self.weighted) / self.whole

    @property
    def increase(self) -> bool:
        """Whether the probability rises."""
        return self.weighted > self.whole


def output(explanation: Explanation, scale: str) -> float:
    """The network's output for the explained class and the whole picture, on one of `SCALES`."""
    e = explanation
    return (
        e.probabilities[e.target]
        if scale == "probability"
        else margin(e.logits, e.class_names.index(e.target), e.multi_label)
    )


def margin(logits: Tensor, column: int, multi_label: bool = False) -> float:
    """The logit of a class minus the largest other logit; minus 0 if classes do not exclude each other.

    Args:
        logits: (classes,).
        column: index of the class.
        multi_label: see `dala.explain.explanation.Explanation`.
    """
    others = torch.cat([logits[:column], logits[column + 1 :]])
    return float(logits[column] - (others.max() if len(others) and not multi_label else 0))
