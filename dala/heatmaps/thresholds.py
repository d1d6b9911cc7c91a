"""Dynamic thresholds: rules that derive from each map the value from which on it is shown.

DT Grad-CAM (Liu et al. 2024, arXiv 2308.13150) takes its display threshold from the map instead of fixing it. That the
rule is mean + k * std is our reading; the others are there to compare. Every rule sees the map on the network's input
grid, (height, width) float32, at least 0, and a threshold is a number that float32 can hold, so that a comparison
gives the same answer in Python and in the browser.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dala.errors import DalaError

__all__ = [
    "DEFAULT_RULE", "RULES", "Rule", "Threshold", "ThresholdError", "apply", "check", "histogram", "kept_areas",
    "table", "taus_of_areas",
]  # fmt: skip


class ThresholdError(DalaError):
    """A rule or a strength that does not exist."""


@dataclass(frozen=True)
class Rule:
    """A threshold rule and its one control.

    Attributes:
        tau: (map (height, width), strengths (n,) float64) -> thresholds (n,) float64.
        label: what people call it.
        parameter: name of the control, None where the rule has none.
        low, high, step, default: the control's range, its stops and where it starts.
        meaning: one line for a learner.
    """

    tau: Callable[[Tensor, Tensor], Tensor]
    label: str
    parameter: str | None
    low: float
    high: float
    step: float
    default: float
    meaning: str

    def strengths(self) -> list[float]:
        """The control's stops, from low to high."""
        if self.parameter is None:
            return [self.default]
        return [round(self.low + i * self.step, 6) for i in range(round((self.high - self.low) / self.step) + 1)]


@dataclass(frozen=True)
class Threshold:
    """What a rule made of a map: `tau`, the share of the area it keeps, and the kept pixels (height, width) bool."""

    rule: str
    strength: float | None
    tau: float
    kept_area: float
    mask: Tensor


def mean_std(heat: Tensor, k: Tensor) -> Tensor:
    """mean(M) + k * std(M), population std."""
    exact = heat.double()
    return exact.mean() + k * exact.std(correction=0)


def otsu(heat: Tensor, strengths: Tensor) -> Tensor:
    """Otsu's threshold (1979): the centre of the one of 256 bins that best separates two classes by variance."""
    values = heat.numpy(force=True).ravel().astype(float)
    # What differs by no more than float32 rounds is flat, and kept whole.
    if values.max() - values.min() <= 1e-6 * abs(values.max()):
        return torch.full_like(strengths, values.min())
    counts, edges = np.histogram(values, 256)
    centres = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    mean_below = np.cumsum(counts * centres) / below
    mean_above = (np.cumsum((counts * centres)[::-1]) / above[::-1])[::-1]
    variance = below[:-1] * above[1:].astype(float) * (mean_below[:-1] - mean_above[1:]) ** 2
    return torch.full_like(strengths, float(centres[np.argmax(variance)]))


def percentile(heat: Tensor, p: Tensor) -> Tensor:
    """The p-th percentile of the map, linearly interpolated: keeps about 100 - p percent of the area."""
    return torch.from_numpy(np.percentile(_rising(heat).astype(float), p.numpy()))  # in order, it takes a third


def share_of_max(heat: Tensor, share: Tensor) -> Tensor:
    """share * max(M): the fixed threshold that others use."""
    return share * float(heat.max())


# mean + k·std starts where the study of explanations marked a planted focus best (weights/explanations.md).
RULES: dict[str, Rule] = {
    "mean_std": Rule(mean_std, "mean + k·std", "k", -1, 4, 0.05, 0.6, "keeps what stands out from this map's average"),
    "otsu": Rule(otsu, "Otsu", None, 0, 0, 0, 0, "splits this map's histogram into two groups; no control"),
    "percentile": Rule(percentile, "percentile", "p", 0, 100, 1, 80, "keeps the same share of the area of every map"),
    "share_of_max": Rule(share_of_max, "share of maximum", "share", 0, 1, 0.01, 0.5, "a fixed fraction of the peak"),
}
DEFAULT_RULE = "mean_std"


def apply(heat: Tensor, rule: str = DEFAULT_RULE, strength: float | None = None) -> Threshold:
    """Threshold a map; a pixel is kept if M >= tau, and an empty map (all zero) keeps nothing.

    Args:
        heat: (height, width) on the network's input grid.
        rule: a name from `RULES`.
        strength: the rule's control; None for its default. Ignored by a rule without one.

    Raises:
        ThresholdError: no such rule, or a strength outside its range.
    """
    chosen, value = check(rule, strength)
    tau = float(_taus(chosen, heat, [value])[0])
    mask = (heat >= tau) & (heat.max() > 0)
    return Threshold(rule, value if chosen.parameter else None, tau, float(mask.double().mean()), mask)


def table(heat: Tensor, rule: str) -> list[tuple[float, float, float]]:
    """(strength, tau, kept area) at every stop of a rule's control: `apply` for the whole slider at once."""
    chosen, _ = check(rule, None)
    taus = _taus(chosen, heat, chosen.strengths())
    return list(zip(chosen.strengths(), taus.tolist(), kept_areas(heat, taus), strict=True))


def kept_areas(heat: Tensor, taus: Tensor) -> list[float]:
    """The share of a map's area at or above each of the thresholds (n,) float32: of an empty map, as `apply`, none."""
    ordered = _rising(heat)
    kept = (len(ordered) - np.searchsorted(ordered, taus.numpy(force=True))) * bool(ordered[-1] > 0)
    return (kept / len(ordered)).tolist()


def taus_of_areas(heat: Tensor, areas: Sequence[float]) -> list[float | None]:
    """For each share of the area the threshold that keeps just this many pixels; None where no threshold does, since
    pixels that are equal are kept or left together.
    """
    falling = _rising(heat)[::-1]
    counts = [round(area * len(falling)) for area in areas]
    taus: list[float | None] = []
    for count in counts:
        splits = count > 0 and (count == len(falling) or bool(falling[count] < falling[count - 1]))
        taus.append(float(falling[count - 1]) if splits else None)
    return taus


def histogram(heat: Tensor, top: float, bins: int = 64) -> tuple[int, list[int]]:
    """Pixels of a map by value: how many are zero, and how many of the others lie in each of equal bins up to a top.

    Zeros are counted apart: where the ReLU has cut, they would dwarf all others.

    Args:
        heat: (height, width), at least 0.
        top: upper end of the last bin, at least the map's maximum.
        bins: of equal width, the first from 0 on.
    """
    values = heat.numpy(force=True).ravel().astype(float)
    positive = values[values > 0]
    # Upsampling may round above the raw maximum.
    counts = np.histogram(np.minimum(positive, top), bins, (0, top or 1))[0]
    return len(values) - len(positive), counts.tolist()


def _rising(heat: Tensor) -> np.ndarray:
    # NumPy's sort of float32 takes a millisecond where torch's, which also tells the places, takes eighty.
    return np.sort(heat.numpy(force=True).ravel())


def _taus(rule: Rule, heat: Tensor, strengths: list[float]) -> Tensor:
    return rule.tau(heat, torch.tensor(strengths, dtype=torch.float64)).float()


def check(rule: str, strength: float | None = None) -> tuple[Rule, float]:
    """The rule of a name, and the strength given or its default; ThresholdError if either does not exist."""
    if rule not in RULES:
        raise ThresholdError(f"There is no threshold rule {rule!r}: choose one of {', '.join(RULES)}.")
    chosen = RULES[rule]
    value = chosen.default if strength is None or chosen.parameter is None else float(strength)
    if not chosen.low <= value <= chosen.high:
        limits = f"{chosen.low:g} to {chosen.high:g}"
        raise ThresholdError(f"The strength of {rule} ({chosen.parameter}) goes from {limits}, not {value:g}.")
    return chosen, value
