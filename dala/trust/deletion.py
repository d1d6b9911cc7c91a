"""Does the network need what a map shows? Parts of a picture are hidden in the order of the map, and it looks again.

Keep-only shows the region that a threshold keeps and hides the rest; remove-only hides that region and shows the rest.
Hidden pixels become a baseline, and no network was trained on such pictures: part of every change is its surprise at
holes and edges. A curve is therefore read beside those of maps that see nothing, at equal kept area.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from dala import cam
from dala.errors import DalaError
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.heatmaps import resize
from dala.images import preprocessing
from dala.progress import Progress, finish
from dala.trust.infill import BASELINES, DEFAULT_BASELINE, ranking

__all__ = [
    "AREAS", "COARSE", "CONTROLS", "SCALES", "Change", "Curve", "KeepRemove", "TrustError", "keep_remove", "said",
    "steps", "weighted",
]  # fmt: skip

AREAS = tuple(i / 16 for i in range(17))
# Enough to see the shape of a curve, for half the runs of the network.
COARSE = AREAS[::2]
CONTROLS = ("random", "centre_gaussian")
# What the network says of a class, as people call it.
SCALES = {"probability": "probability", "margin": "logit margin"}
CHUNK = 8


class TrustError(DalaError):
    """A question that cannot be asked of a map."""


@dataclass(frozen=True)
class Curve:
    """What the network says at each kept area of the class that is explained: probabilities, logits, and margins.

    A margin is the class's logit less the largest other one: above 0 the class wins. Where a probability is 1.000 or
    0.000 for every part of a picture, the margin still tells which part it needs.
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
        method: whose map it is.
        target: the class whose probability is followed.
        baseline: a name from `dala.trust.infill.BASELINES`.
        areas: shares of the picture that were kept, rising; whole pixels.
        curves: by method, the map's own first.
        runs: pictures that went through the network.
    """

    method: str
    target: str
    baseline: str
    areas: tuple[float, ...]
    curves: dict[str, Curve]
    runs: int

    def at(self, area: float, method: str | None = None, scale: str = "probability") -> tuple[float, float]:
        """(Keep-only, remove-only) at a kept area, on one of `SCALES`: measured, or on the line between two measured.

        Raises:
            TrustError: an area outside those measured.
        """
        if not self.areas[0] <= area <= self.areas[-1]:
            limits = f"{100 * self.areas[0]:g} to {100 * self.areas[-1]:g} %"
            raise TrustError(f"Kept areas were measured from {limits}, not at {100 * area:g} %.")
        keep, remove = self.curves[method or self.method].pair(scale)
        return float(np.interp(area, self.areas, keep)), float(np.interp(area, self.areas, remove))

    def insertion(self, method: str | None = None, scale: str = "probability") -> float:
        """Area under keep-only over the kept area, the highest pixels first; high where few bring the class about.

        Petsiuk et al. 2018 (RISE), arXiv 1806.07421; so is `deletion`.
        """
        return float(np.trapezoid(self.curves[method or self.method].pair(scale)[0], self.areas))

    def deletion(self, method: str | None = None, scale: str = "probability") -> float:
        """Area under remove-only over the removed area; low where the network misses the first pixels at once."""
        return float(np.trapezoid(self.curves[method or self.method].pair(scale)[1], self.areas))


@dataclass(frozen=True)
class Change:
    """The probability of the class explained, of the whole picture and of the picture weighted by a map.

    Over many pictures the mean of `drop` is the average drop, that of `increase` the increase in confidence
    (Chattopadhay et al. 2018, arXiv 1710.11063). Both favour large maps: of a map that is 1 everywhere nothing drops.
    """

    whole: float
    weighted: float

    @property
    def drop(self) -> float:
        """By which share of itself the probability falls, in [0, 1]."""
        return max(0.0, self.whole - self.weighted) / self.whole

    @property
    def increase(self) -> bool:
        """Whether it rises."""
        return self.weighted > self.whole


def keep_remove(
    explainer: Explainer,
    explanation: Explanation,
    method: str | None = None,
    areas: Sequence[float] = AREAS,
    baseline: str = DEFAULT_BASELINE,
    progress: Progress | None = None,
    controls: bool = False,
    chunk: int = CHUNK,
    half: bool = False,
) -> KeepRemove:
    """The probability of the class explained when only a map's highest pixels are shown, and when all but they are.

    Args:
        explainer: the network that made the explanation.
        explanation: of a class.
        method: one of its maps; None for the first.
        areas: shares of the picture to keep, 0 to 1, rising. At 0 and 1 one of the two pictures is the whole one, whose
            logits the explanation holds.
        baseline: a name from `dala.trust.infill.BASELINES`.
        progress: called with (done, total) pictures after each run of the network; what it raises cancels.
        controls: the same for `CONTROLS`, too.
        chunk: pictures in one run of the network.
        half: in bf16 on a CPU, which is faster where the processor has it, and moves areas under curves by less than
            0.01 (tests/benchmarks/deletion.py). On a GPU half precision is the network's own affair.

    Raises:
        TrustError: no such map, baseline or area; a target that is not a class; a map that is zero everywhere.
    """
    run = steps(explainer, explanation, method, areas, baseline, controls, chunk, half)
    return finish(run, progress)


def steps(
    explainer: Explainer,
    explanation: Explanation,
    method: str | None = None,
    areas: Sequence[float] = AREAS,
    baseline: str = DEFAULT_BASELINE,
    controls: bool = False,
    chunk: int = CHUNK,
    half: bool = False,
) -> Generator[tuple[int, int], None, KeepRemove]:
    """`keep_remove` as a generator of (done, total), which returns the result: whoever has enough stops asking."""
    e, method = explanation, method or next(iter(explanation.maps))
    _check(e, method, areas, baseline, chunk)
    names = [method, *(c for c in CONTROLS if controls and c != method)]
    places = {name: _places(e, name) for name in names}
    both = (e.picture, BASELINES[baseline].fill(e.picture))
    shown, hidden = (preprocessing.normalised(picture, explainer.preprocessing)[0] for picture in both)
    pixels = shown[0].numel()
    counts = [round(area * pixels) for area in areas]
    sides = {name: ([_part(name, 0, c, pixels) for c in counts], [_part(name, c, pixels, pixels) for c in counts])
             for name in names}  # fmt: skip
    whole = _part("", 0, pixels, pixels)
    said = {whole: e.logits}
    asked = list(dict.fromkeys(part for pair in sides.values() for side in pair for part in side if part != whole))
    for start in range(0, len(asked), chunk):
        some = asked[start : start + chunk]
        x = torch.stack([torch.where(_mask(places, part, shown[0]), shown, hidden) for part in some])
        said |= zip(some, _logits(explainer, x, half), strict=True)
        yield start + len(some), len(asked)
    curves = {name: _curve(e, *([said[part] for part in side] for side in pair)) for name, pair in sides.items()}
    return KeepRemove(method, e.target, baseline, tuple(c / pixels for c in counts), curves, len(asked))


def weighted(
    explainer: Explainer, explanation: Explanation, method: str | None = None, baseline: str = DEFAULT_BASELINE
) -> Change:
    """The picture shows through where the map is high, and the baseline where it is low.

    Args:
        explainer, explanation, method, baseline: as in `keep_remove`. The map is divided by its maximum.

    Raises:
        TrustError: likewise.
    """
    e, method = explanation, method or next(iter(explanation.maps))
    _check(e, method, (0.0, 1.0), baseline, 1)
    heat = e.heat(method)
    both = (e.picture, BASELINES[baseline].fill(e.picture))
    shown, hidden = (preprocessing.normalised(picture, explainer.preprocessing) for picture in both)
    logits = _logits(explainer, torch.lerp(hidden, shown, heat / heat.max()))[0]
    chance = (logits.double() / e.temperature).softmax(0)[e.class_names.index(e.target)]
    return Change(e.probabilities[e.target], float(chance))


# (method, low, high): shown are the pixels whose place in the method's ranking is at least low and below high.
_Part = tuple[str, int, int]


def _part(method: str, low: int, high: int, pixels: int) -> _Part:
    """The whole picture and the bare baseline are the same by every ranking."""
    return (method, low, high) if 0 < high - low < pixels else ("", 0, high - low)


def _mask(places: dict[str, Tensor], part: _Part, like: Tensor) -> Tensor:
    method, low, high = part
    if not method:
        return torch.zeros_like(like, dtype=torch.bool)
    return ((places[method] >= low) & (places[method] < high)).view_as(like)


def _places(e: Explanation, method: str) -> Tensor:
    """(H * W,) the place of each pixel in the ranking, 0 the first."""
    if method in e.signed:
        signed = e.signed[method]
    else:
        blank = torch.zeros(1, 1, *next(iter(e.signed.values())).shape)  # of a control, only the grid counts
        signed = cam.METHODS[method](blank, blank, ())[0]
    order = ranking(*(resize.upsample(raw, e.picture.size[::-1]) for raw in (signed.relu(), signed)))
    places = torch.empty_like(order)
    places[order] = torch.arange(len(order))
    return places


def _logits(explainer: Explainer, x: Tensor, half: bool = False) -> Tensor:
    """(N, 3, H, W) -> (N, classes), in halves where a GPU's memory is too small."""
    try:
        inputs = x.to(explainer.engine.device, memory_format=torch.channels_last)
        return explainer.engine.network(inputs, half).cpu()
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
    if len(x) == 1:
        raise TrustError("The GPU's memory is too small for this picture: use a smaller one, or the CPU.")
    return torch.cat([_logits(explainer, part, half) for part in x.split(-(-len(x) // 2))])


def _curve(e: Explanation, keep: list[Tensor], remove: list[Tensor]) -> Curve:
    column = e.class_names.index(e.target)
    # As `Explanation.probabilities`, to the bit.
    chances = [[(row.double() / e.temperature).softmax(0) for row in side] for side in (keep, remove)]
    told = (tuple(float(row[column]) for row in side) for side in (*chances, keep, remove))
    return Curve(*told, *(tuple(_margin(row, column) for row in side) for side in (keep, remove)))


def said(explanation: Explanation, scale: str) -> float:
    """What the network says of the class explained, the whole picture shown, on one of `SCALES`."""
    e = explanation
    return e.probabilities[e.target] if scale == "probability" else _margin(e.logits, e.class_names.index(e.target))


def _margin(logits: Tensor, column: int) -> float:
    """A class's logit less the largest of the others': (classes,) -> a number, above 0 where the class wins."""
    others = torch.cat([logits[:column], logits[column + 1 :]])
    return float(logits[column] - (others.max() if len(others) else 0))


def _check(e: Explanation, method: str, areas: Sequence[float], baseline: str, chunk: int) -> None:
    if method not in e.maps:
        raise TrustError(f"This explanation holds no map {method!r}: choose one of {', '.join(e.maps)}.")
    if baseline not in BASELINES:
        raise TrustError(f"There is no baseline {baseline!r}: choose one of {', '.join(BASELINES)}.")
    rising = len(areas) > 0 and areas[0] >= 0 and areas[-1] <= 1 and all(a < b for a, b in pairwise(areas))
    if not rising or chunk < 1:
        raise TrustError("Kept areas are shares from 0 to 1, each larger than the one before; a chunk is at least 1.")
    if e.target not in e.class_names:
        raise TrustError(f"These curves follow the probability of a class, and {e.target!r} is none: explain a class.")
    if e.maps[method].max() <= 0:
        raise TrustError(f"{cam.METHODS[method].title} for {e.words()} is zero everywhere: there is no region to keep.")
