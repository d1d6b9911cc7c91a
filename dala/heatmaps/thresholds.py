"""Dynamic thresholds: rules that compute from each map the value from which it is shown.

DT Grad-CAM (Liu et al. 2024, arXiv 2308.13150) computes its display threshold from the map instead of fixing it. That
the rule is mean + k * std is our reading; the others are for comparison. Every rule gets the map on the network's input
grid, (height, width) float32, at least 0, and returns a threshold that float32 can represent, so that a comparison
gives the same result in Python and in the browser.
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
        label: display name.
        parameter: name of the control, None if the rule has none.
        low, high, step, default: of the control.
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
    """Result of a rule on a map: `tau`, the share of the area it keeps, and the kept pixels (height, width) bool."""

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
    # A map that varies by no more than float32 rounding is flat, and kept whole.
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
    return torch.from_numpy(np.percentile(_rising(heat).astype(float), p.numpy()))  # sorted, it takes a third


def share_of_max(heat: Tensor, share: Tensor) -> Tensor:
    """share * max(M): the fixed threshold that others use."""
    return share * float(heat.max())


# mean + k·std starts where the study of explanations marked a planted focus best (weights/explanations.md).
RULES: dict[str, Rule] = {
    "mean_std": Rule(
        mean_std,
        "mean + k·std",
        "k",
        -1,
        4,
        0.05,
        0.55,
        "keeps values of at least the mean plus k standard deviations of this map",
    ),
    "otsu": Rule(
        otsu, "Otsu", None, 0, 0, 0, 0, "splits the histogram of this map into two groups; there is nothing to set"
    ),
    "percentile": Rule(percentile, "percentile", "p", 0, 100, 1, 80, "keeps the same share of the area of every map"),
    "share_of_max": Rule(
        share_of_max,
        "share of maximum",
        "share",
        0,
        1,
        0.01,
        0.5,
        "keeps values of at least a fixed fraction of the maximum",
    ),
}
DEFAULT_RULE = "mean_std"


def apply(heat: Tensor, rule: str = DEFAULT_RULE, strength: float | None = None) -> Threshold:
    """Threshold a map; a pixel is kept if M >= tau, and an empty map (all zero) keeps nothing.

    Args:
        heat: (height, width) on the network's input grid.
        rule: a name from `RULES`.
        strength: value of the rule's control; None for its default. Ignored if the rule has no control.

    Raises:
        ThresholdError: no such rule, or a strength outside its range.
    """
    chosen, value = check(rule, strength)
    tau = float(_taus(chosen, heat, [value])[0])
    mask = (heat >= tau) & (heat.max() > 0)
    return Threshold(rule, value if chosen.parameter else None, tau, float(mask.double().mean()), mask)


def table(heat: Tensor, rule: str) -> list[tuple[float, float, float]]:
    """List (strength, tau, kept area) for every position of the control: `apply` for the whole slider at once."""
    chosen, _ = check(rule, None)
    taus = _taus(chosen, heat, chosen.strengths())
    return list(zip(chosen.strengths(), taus.tolist(), kept_areas(heat, taus), strict=True))


def kept_areas(heat: Tensor, taus: Tensor) -> list[float]:
    """Share of a map's area at or above each of the thresholds (n,) float32; 0 for an empty map, as in `apply`."""
    ordered = _rising(heat)
    kept = (len(ordered) - np.searchsorted(ordered, taus.numpy(force=True))) * bool(ordered[-1] > 0)
    return (kept / len(ordered)).tolist()


def taus_of_areas(heat: Tensor, areas: Sequence[float]) -> list[float | None]:
    """Thresholds that keep exactly these shares of the area.

    None where no threshold does, since equal pixels are kept or dropped together.
    """
    falling = _rising(heat)[::-1]
    counts = [round(area * len(falling)) for area in areas]
    taus: list[float | None] = []
    for count in counts:
        splits = count > 0 and (count == len(falling) or bool(falling[count] < falling[count - 1]))
        taus.append(float(falling[count - 1]) if splits else None)
    return taus


def histogram(heat: Tensor, top: float, bins: int = 64) -> tuple[int, list[int]]:
    """Count the zeros of a map, and its other pixels in bins of equal width.

    Zeros are counted separately: where the ReLU has cut, they would dwarf all other bins.

    Args:
        heat: (height, width), at least 0.
        top: upper end of the last bin, at least the map's maximum.
        bins: number of bins, the first starting at 0.
    """
    values = heat.numpy(force=True).ravel().astype(float)
    positive = values[values > 0]
    # Upsampling may round above the raw maximum.
    counts = np.histogram(np.minimum(positive, top), bins, (0, top or 1))[0]
    return len(values) - len(positive), counts.tolist()


def check(rule: str, strength: float | None = None) -> tuple[Rule, float]:
    """Look up a rule and its strength, or the default; ThresholdError if either does not exist."""
    if rule not in RULES:
        raise ThresholdError(f"There is no threshold rule {rule!r}: choose one of {', '.join(RULES)}.")
    chosen = RULES[rule]
    value = chosen.default if strength is None or chosen.parameter is None else float(strength)
    if not chosen.low <= value <= chosen.high:
        limits = f"{chosen.low:g} to {chosen.high:g}"
        raise ThresholdError(f"The strength of {rule} ({chosen.parameter}) goes from {limits}, not {value:g}.")
    return chosen, value


def _rising(heat: Tensor) -> np.ndarray:
    # NumPy sorts float32 in a millisecond; torch, which also returns indices, takes eighty.
    return np.sort(heat.numpy(force=True).ravel())


def _taus(rule: Rule, heat: Tensor, strengths: list[float]) -> Tensor:
    return rule.tau(heat, torch.tensor(strengths, dtype=torch.float64, device=heat.device)).float()
