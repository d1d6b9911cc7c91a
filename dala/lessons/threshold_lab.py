"""The threshold lab as data: the distribution of a map's values, and the threshold rules side by side."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from dala.explain.explanation import Explanation
from dala.heatmaps import thresholds
from dala.trust import deletion

__all__ = ["Row", "Shape", "shape", "side_by_side"]


@dataclass(frozen=True)
class Shape:
    """The distribution of a map's values on the network's input grid.

    Attributes:
        top: maximum of the raw map, the upper edge of the last bin.
        zero: share of the area where the map is zero.
        bins: shares of the area in equal bins from 0 to `top`, without the zeros.
        kept: (tau, kept area), tau rising from 0 to `top`.
        stops: for each of `dala.trust.deletion.AREAS` the tau that keeps it, None where no threshold does.
    """

    top: float
    zero: float
    bins: list[float]
    kept: list[tuple[float, float]]
    stops: list[float | None]


@dataclass(frozen=True)
class Row:
    """One rule at one strength; probabilities and logit margins are None until they are measured."""

    rule: str
    strength: float | None
    tau: float
    kept_area: float
    keep_only: float | None
    remove_only: float | None
    keep_only_margin: float | None
    remove_only_margin: float | None


def shape(explanation: Explanation, method: str) -> Shape:
    """Compute what the charts of a map are drawn from."""
    heat, top = explanation.heat(method), float(explanation.maps[method].max())
    zero, counts = thresholds.histogram(heat, top)
    # The smallest positive tau drops all zeros at once.
    taus = torch.cat([torch.tensor([0.0, torch.finfo(torch.float32).tiny]), torch.linspace(0, top, 129)[1:]])
    return Shape(
        top=top,
        zero=zero / heat.numel(),
        bins=[count / heat.numel() for count in counts],
        kept=list(zip(taus.tolist(), thresholds.kept_areas(heat, taus), strict=True)),
        stops=thresholds.taus_of_areas(heat, deletion.AREAS),
    )


def side_by_side(
    explanation: Explanation,
    method: str,
    strengths: Mapping[str, float | None] | None = None,
    measured: deletion.KeepRemove | None = None,
) -> list[Row]:
    """Apply every rule of `dala.heatmaps.thresholds.RULES` to one map.

    Args:
        explanation, method: they select the map.
        strengths: by rule; a missing rule takes its default.
        measured: keep-only and remove-only of the same map, for the outputs of the network.

    Raises:
        ThresholdError: a strength outside its range.
    """
    rows = []
    for rule in thresholds.RULES:
        kept = explanation.threshold(rule, (strengths or {}).get(rule), method)
        pairs = [measured.at(kept.kept_area, scale=s) if measured else (None, None) for s in deletion.SCALES]
        outputs = [value for pair in pairs for value in pair]
        rows.append(Row(rule, kept.strength, kept.tau, kept.kept_area, *outputs))
    return rows
