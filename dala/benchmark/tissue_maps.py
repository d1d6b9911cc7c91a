"""Where on real tissue the maps lie: on tumour where an expert has outlined it, on nuclei, on the rim, on glass.

No network is involved in these regions. Beside each method stand controls: the amount of stain alone, per pixel and on
the maps' grid; the region itself on that grid ("ceiling"); the random map and the centred Gaussian of `dala.cam`; and,
for the first method, its own maps moved and mirrored at random ("blind"), which keep everything but their place.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from dala import cam
from dala.benchmark.measures import Case
from dala.benchmark.regions import REGIONS, density
from dala.evaluation.bootstrap import mean_interval
from dala.explain.question import Question
from dala.heatmaps import resize
from dala.heatmaps.localization import ceiling, energy, pixel_auc
from dala.hub.tissue_maps import Blind, MapRow

__all__ = [
    "AUC", "CEILING", "CONTROLS", "LEAST", "STAIN", "STAIN_ON_GRID", "TUMOUR", "Measured", "blind", "measure",
    "relative_energy",
]  # fmt: skip

TUMOUR, AUC = "tumour", "auc"
STAIN, STAIN_ON_GRID, CEILING = "stain", "stain_on_grid", "ceiling"
# Maps that are made from the picture or from the region alone, and their display names.
CONTROLS = {
    STAIN: "amount of stain",
    STAIN_ON_GRID: "amount of stain, on the maps' grid",
    CEILING: "ceiling of the maps' grid",
}
# A region is measured where it has this share of the area inside and outside: the ratio to a tiny area is noise.
LEAST = 0.02
DRAWS = 500


@dataclass(frozen=True)
class Measured:
    """Results on one set of pictures; see `dala.hub.tissue_maps.TissueSet`."""

    areas: dict[str, float]
    marked: dict[str, int]
    rows: dict[str, MapRow]
    predicted: MapRow
    blind: Blind
    called: int


@dataclass
class _Values:
    """Values of one method by measure, each with the picture's group; `count` pictures had a map."""

    count: int = 0
    energy: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    auc: list[tuple[float, str]] = field(default_factory=list)

    def add(self, measures: Mapping[str, float], group: str) -> None:
        self.count += bool(measures)
        for name, value in measures.items():
            values = self.auc if name == AUC else self.energy.setdefault(name, [])
            values.append((value, group))


def relative_energy(heat: Tensor, mask: Tensor) -> float:
    """Compute the share of a map's sum inside a mask divided by the mask's share of the area; 1 is blind.

    Args:
        heat: (H, W), at least 0, with a positive maximum.
        mask: (H, W) bool, not empty.
    """
    return energy(heat, mask) / float(mask.double().mean())


def measure(
    cases: Sequence[Case], first: str = cam.DEFAULT_METHOD, tick: Callable[[], None] = lambda: None
) -> Measured:
    """Measure every map of these pictures.

    Args:
        cases: explained for one class; a `mask` marks tumour.
        first: method that is also measured for the predicted class and against its own moved maps.
        tick: called after each case.

    A picture takes part in the mean of a region if at least `LEAST` of its area is inside and outside; maps that are
    zero everywhere are left out.
    """
    values: dict[str, _Values] = {}
    predicted, called = _Values(), 0
    areas: dict[str, list[float]] = {}
    draws: dict[str, list[np.ndarray]] = {}
    for i, case in enumerate(cases):
        masks = _masks(case)
        for name, mask in masks.items():
            areas.setdefault(name, []).append(float(mask.double().mean()))
        for names, heats in _heats(case, masks):
            one = _measures(heats, masks)
            for name in names:
                values.setdefault(name, _Values()).add(one, case.group)
        named, heat = _predicted(case, first)
        called += named
        predicted.add(_measures(dict.fromkeys(masks, heat), masks), case.group)
        for name, drawn in blind(case.explanation.maps[first], masks, i).items():
            draws.setdefault(name, []).append(drawn)
        tick()
    return Measured(
        areas={name: float(np.mean(shares)) for name, shares in areas.items()},
        marked={name: len(shares) for name, shares in areas.items()},
        rows={name: _row(each) for name, each in values.items()},
        predicted=_row(predicted),
        blind=_ranges(draws),
        called=called,
    )


def blind(raw: Tensor, masks: Mapping[str, Tensor], seed: int, draws: int = DRAWS) -> dict[str, np.ndarray]:
    """Measure a raw map against masks after moving it around the edges and mirroring it at random.

    Args:
        raw: (h, w), at least 0; one that is zero everywhere gives nothing.
        masks: (H, W) bool each, by region.
        seed: of the moves.
        draws: number of moves.

    Returns:
        by region, the relative energy (draws,); for tumour also "auc", (draws,), on the map's grid.
    """
    if not raw.max() > 0:
        return {}
    moves = torch.from_numpy(_moves(raw.shape[0], raw.shape[1], seed, draws))
    flat = raw.double().flatten()
    moved = flat[moves]
    result = {}
    for name, mask in masks.items():
        inside, total = (_cell_weights(raw, m) for m in (mask, torch.ones_like(mask)))
        result[name] = (moved @ inside / (moved @ total) / mask.double().mean()).numpy()
    if TUMOUR in masks:
        share = adaptive_avg_pool2d(masks[TUMOUR].double()[None, None], raw.shape).flatten()
        above = (flat[:, None] > flat).double() + (flat[:, None] == flat).double() / 2
        inside, outside = share[moves], 1 - share[moves]
        result[AUC] = ((inside @ above * outside).sum(1) / (inside.sum(1) * outside.sum(1))).numpy()
    return result


def _masks(case: Case) -> dict[str, Tensor]:
    """The regions that are neither too small nor too large in this picture."""
    every = {name: region.mark(case.explanation.picture) for name, region in REGIONS.items()}
    if case.mask is not None:
        every = {TUMOUR: case.mask} | every
    return {name: mask for name, mask in every.items() if LEAST <= float(mask.double().mean()) <= 1 - LEAST}


def _heats(case: Case, masks: Mapping[str, Tensor]) -> Iterator[tuple[list[str], dict[str, Tensor]]]:
    """Names of methods with the same map, or of a control, and that map (H, W) for each region."""
    e = case.explanation
    grid = next(iter(e.maps.values())).shape
    stain = density(e.picture)
    for names in e.coinciding():
        yield names, dict.fromkeys(masks, e.heat(names[0]))
    yield [STAIN], dict.fromkeys(masks, stain)
    yield [STAIN_ON_GRID], dict.fromkeys(masks, _on_grid(stain, grid))
    yield [CEILING], {name: ceiling(mask, (grid[0], grid[1])) for name, mask in masks.items()}


def _on_grid(values: Tensor, grid: Sequence[int]) -> Tensor:
    cells = adaptive_avg_pool2d(values[None, None], (grid[0], grid[1]))[0, 0]
    return resize.upsample(cells, (values.shape[0], values.shape[1]))


def _predicted(case: Case, first: str) -> tuple[bool, Tensor]:
    """Whether the explained class is the predicted one, and the map of the first method for the predicted class."""
    e = case.explanation
    if e.class_names[int(e.logits.argmax())] == e.target:
        return True, e.heat(first)
    return False, case.explainer.retarget(e, Question(None, (first,))).heat(first)


def _measures(heats: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, float]:
    """Relative energy by region, and `AUC` for tumour; nothing of a map that is zero everywhere."""
    measures = {name: relative_energy(heat, masks[name]) for name, heat in heats.items() if heat.max() > 0}
    if TUMOUR in measures:
        measures[AUC] = pixel_auc(heats[TUMOUR], masks[TUMOUR])
    return measures


def _row(values: _Values) -> MapRow:
    row: MapRow = {
        "count": values.count,
        "energy": {name: _mean(each) for name, each in values.energy.items()},
    }
    return row | {"auc": _mean(values.auc)} if values.auc else row


def _mean(pairs: Iterable[tuple[float, str]]) -> list[float]:
    values, groups = zip(*pairs, strict=True)
    return list(mean_interval(values, groups))


def _ranges(draws: Mapping[str, Sequence[np.ndarray]]) -> Blind:
    ranges: dict[str, Any] = {
        name: np.percentile(np.mean(each, axis=0), (2.5, 97.5)).tolist() for name, each in draws.items()
    }
    auc = ranges.pop(AUC, None)
    return {"energy": ranges, "auc": auc} if auc else {"energy": ranges}


def _moves(height: int, width: int, seed: int, draws: int) -> np.ndarray:
    """Indices (draws, height * width) of grids moved around the edges and mirrored at random."""
    rng, grid = np.random.default_rng(seed), np.arange(height * width).reshape(height, width)
    moved = []
    for _ in range(draws):
        one = np.roll(grid, (rng.integers(height), rng.integers(width)), (0, 1))
        moved.append(one[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))].ravel())
    return np.stack(moved)


def _cell_weights(raw: Tensor, mask: Tensor) -> Tensor:
    """(h * w,): how much each cell of a map adds to the sum inside a mask once it is upsampled."""
    start = torch.zeros(raw.shape, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        inside = resize.upsample(start, (mask.shape[0], mask.shape[1]))[mask].sum()
    return torch.autograd.grad(inside, start)[0].flatten()
