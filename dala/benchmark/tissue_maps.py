"""Where on real tissue the maps lie: on tumour where an expert has outlined it, on nuclei, on the rim, on glass.

No network is involved in these regions. Beside each method stand controls: the amount of stain alone, per pixel and on
the maps' grid; the region itself on that grid ("ceiling"); the random map and the centred Gaussian of `dala.cam`; and,
for the first method, its own maps moved and mirrored at random ("blind"), which keep everything but their place.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from dala import cam
from dala.benchmark.measures import Case
from dala.benchmark.regions import REGIONS, density
from dala.evaluation.bootstrap import mean_interval
from dala.explain.question import Question
from dala.heatmaps import resize
from dala.heatmaps.localization import ceiling, pixel_auc
from dala.hub.tissue_maps import AUC, CEILING, STAIN, STAIN_ON_GRID, TUMOUR, Blind, MapRow

__all__ = ["LEAST", "Measured", "blind", "cell_weights", "measure", "relative_energy"]

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


def relative_energy(heats: Tensor, masks: Tensor) -> Tensor:
    """Compute the share of each map's sum inside each mask divided by the mask's share of the area; 1 is blind.

    Args:
        heats: (M, H, W), at least 0, each with a positive maximum.
        masks: (R, H, W) bool, none empty.

    Returns:
        (M, R) float64.
    """
    values, marks = heats.flatten(1).double(), masks.flatten(1).double()
    return values @ marks.T / values.sum(1, keepdim=True) / marks.mean(1)


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
        for name, measures in _measured(case, masks).items():
            values.setdefault(name, _Values()).add(measures, case.group)
        named, heat = _predicted(case, first)
        called += named
        predicted.add(_measures([heat], masks)[0], case.group)
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
        inside, total = (cell_weights(m.double(), raw.shape) for m in (mask, torch.ones_like(mask)))
        result[name] = (moved @ inside / (moved @ total) / mask.double().mean()).numpy()
    if TUMOUR in masks:
        share = adaptive_avg_pool2d(masks[TUMOUR].double()[None, None], (raw.shape[0], raw.shape[1])).flatten()
        above = (flat[:, None] > flat).double() + (flat[:, None] == flat).double() / 2
        inside, outside = share[moves], 1 - share[moves]
        result[AUC] = ((inside @ above * outside).sum(1) / (inside.sum(1) * outside.sum(1))).numpy()
    return result


def cell_weights(values: Tensor, grid: Sequence[int]) -> Tensor:
    """Compute how much each cell of a map adds to the sum of an upsampled map times these values.

    Args:
        values: (H, W) float64.
        grid: (h, w) of the map.

    Returns:
        (h * w,) float64.
    """
    # Upsampling is linear in rows and in columns: each is the upsampled unit matrix.
    down, right = (
        interpolate(torch.eye(cells, dtype=torch.float64)[None], size, mode="linear")[0]
        for cells, size in zip(grid, values.shape, strict=True)
    )
    return (down @ values @ right.T).flatten()


def _masks(case: Case) -> dict[str, Tensor]:
    """The regions that are neither too small nor too large in this picture."""
    every = {name: region.mark(case.explanation.picture) for name, region in REGIONS.items()}
    if case.mask is not None:
        every = {TUMOUR: case.mask} | every
    return {name: mask for name, mask in every.items() if LEAST <= float(mask.double().mean()) <= 1 - LEAST}


def _measured(case: Case, masks: Mapping[str, Tensor]) -> dict[str, dict[str, float]]:
    """Measures by name of the method or control."""
    e = case.explanation
    grid = next(iter(e.maps.values())).shape
    stain, same = density(e.picture), e.coinciding()
    rows = _measures([*(e.heat(names[0]) for names in same), stain, _on_grid(stain, grid)], masks)
    result = {name: row for names, row in zip(same, rows, strict=False) for name in names}
    result |= {STAIN: rows[-2], STAIN_ON_GRID: rows[-1], CEILING: {}}
    for name, mask in masks.items():
        (row,) = _measures([ceiling(mask, (grid[0], grid[1]))], {name: mask})
        result[CEILING] |= row
    return result


def _on_grid(values: Tensor, grid: Sequence[int]) -> Tensor:
    cells = adaptive_avg_pool2d(values[None, None], (grid[0], grid[1]))[0, 0]
    return resize.upsample(cells, (values.shape[0], values.shape[1]))


def _predicted(case: Case, first: str) -> tuple[bool, Tensor]:
    """Whether the explained class is the predicted one, and the map of the first method for the predicted class."""
    e = case.explanation
    if e.class_names[int(e.logits.argmax())] == e.target:
        return True, e.heat(first)
    return False, case.explainer.retarget(e, Question(None, (first,))).heat(first)


def _measures(heats: Sequence[Tensor], masks: Mapping[str, Tensor]) -> list[dict[str, float]]:
    """Of each map, the relative energy by region, and `AUC` for tumour; nothing if it is zero everywhere."""
    if not masks:
        return [{} for _ in heats]
    energies = relative_energy(torch.stack(list(heats)), torch.stack(list(masks.values())))
    result = []
    for heat, row in zip(heats, energies.tolist(), strict=True):
        measures = dict(zip(masks, row, strict=True)) if heat.max() > 0 else {}
        if TUMOUR in measures:
            measures[AUC] = pixel_auc(heat, masks[TUMOUR])
        result.append(measures)
    return result


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
