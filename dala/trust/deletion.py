"""Deletion and insertion: hide parts of a picture in the order of a map, and run the network again.

Keep-only shows the region above a threshold and hides the rest; remove-only hides that region and shows the rest.
Hidden pixels are replaced by an infill (`dala.trust.infill`). No network was trained on such pictures, so part of every
change is the effect of holes and edges: compare a curve with those of controls at the same kept area.
"""

from collections.abc import Generator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from dala import cam
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.images import preprocessing
from dala.progress import Progress, finish
from dala.trust.curves import SCALES, Change, Curve, KeepRemove, TrustError, margin, output
from dala.trust.infill import DEFAULT_INFILL, INFILLS
from dala.trust.runs import logits_of, ranks_of

__all__ = [
    "AREAS", "COARSE", "CONTROLS", "SCALES", "Change", "Curve", "KeepRemove", "TrustError", "keep_remove", "output",
    "steps", "weighted",
]  # fmt: skip

AREAS = tuple(i / 16 for i in range(17))
# Enough to see the shape of a curve, for half the runs of the network.
COARSE = AREAS[::2]
CONTROLS = ("random", "centre_gaussian")
CHUNK = 8


def keep_remove(
    explainer: Explainer,
    explanation: Explanation,
    method: str | None = None,
    areas: Sequence[float] = AREAS,
    baseline: str = DEFAULT_INFILL,
    progress: Progress | None = None,
    controls: bool = False,
    chunk: int = CHUNK,
    half: bool = False,
) -> KeepRemove:
    """Measure the network's output when only a map's highest pixels are shown, and when they are hidden.

    Args:
        explainer: the network that made the explanation.
        explanation: of a class.
        method: one of its maps; None for the first.
        areas: shares of the picture to keep, 0 to 1, rising. At 0 and 1 one of the two pictures is the whole one, whose
            logits the explanation holds.
        baseline: a name from `dala.trust.infill.INFILLS`.
        progress: called with (done, total) pictures after each run of the network; an exception from it cancels.
        controls: measure `CONTROLS`, too.
        chunk: pictures in one run of the network.
        half: use bf16 on a CPU, which is faster where the processor supports it and changes areas under curves by less
            than 0.01 (tests/benchmarks/deletion.py). On a GPU the network decides on half precision itself.

    Raises:
        TrustError: an unknown map, infill or area; a target that is not a class; a map that is zero everywhere.
    """
    run = steps(explainer, explanation, method, areas, baseline, controls, chunk, half)
    return finish(run, progress)


def steps(
    explainer: Explainer,
    explanation: Explanation,
    method: str | None = None,
    areas: Sequence[float] = AREAS,
    baseline: str = DEFAULT_INFILL,
    controls: bool = False,
    chunk: int = CHUNK,
    half: bool = False,
) -> Generator[tuple[int, int], None, KeepRemove]:
    """Generator form of `keep_remove`: yields (done, total) and returns the result; stop iterating to cancel."""
    e, method = explanation, method or next(iter(explanation.maps))
    _check(e, method, areas, baseline, chunk)
    names = [method, *(c for c in CONTROLS if controls and c != method)]
    ranks = {name: ranks_of(e, name) for name in names}
    both = (e.picture, INFILLS[baseline].fill(e.picture))
    shown, hidden = (preprocessing.normalised(picture, explainer.preprocessing)[0] for picture in both)
    pixels = shown[0].numel()
    counts = [round(area * pixels) for area in areas]
    sides = {name: ([_part(name, 0, c, pixels) for c in counts], [_part(name, c, pixels, pixels) for c in counts])
             for name in names}  # fmt: skip
    whole = _part("", 0, pixels, pixels)
    logits = {whole: e.logits}
    parts = list(dict.fromkeys(part for pair in sides.values() for side in pair for part in side if part != whole))
    for start in range(0, len(parts), chunk):
        batch = parts[start : start + chunk]
        x = torch.stack([torch.where(_mask(ranks, part, shown[0]), shown, hidden) for part in batch])
        logits |= zip(batch, logits_of(explainer, x, half), strict=True)
        yield start + len(batch), len(parts)
    curves = {name: _curve(e, *([logits[part] for part in side] for side in pair)) for name, pair in sides.items()}
    return KeepRemove(method, e.target, baseline, tuple(c / pixels for c in counts), curves, len(parts))


def weighted(
    explainer: Explainer, explanation: Explanation, method: str | None = None, baseline: str = DEFAULT_INFILL
) -> Change:
    """Blend the picture with the infill by a map, so that the picture shows where the map is high.

    Args:
        explainer, explanation, method, baseline: the same as in `keep_remove`. The map is divided by its maximum.

    Raises:
        TrustError: the same as in `keep_remove`.
    """
    e, method = explanation, method or next(iter(explanation.maps))
    _check(e, method, (0.0, 1.0), baseline, 1)
    heat = e.heat(method)
    both = (e.picture, INFILLS[baseline].fill(e.picture))
    shown, hidden = (preprocessing.normalised(picture, explainer.preprocessing) for picture in both)
    logits = logits_of(explainer, torch.lerp(hidden, shown, heat / heat.max()))[0]
    probability = e.to_probabilities(logits)[e.class_names.index(e.target)]
    return Change(e.probabilities[e.target], float(probability))


# (method, low, high): shown are the pixels whose rank by the method is at least low and below high.
_Part = tuple[str, int, int]


def _part(method: str, low: int, high: int, pixels: int) -> _Part:
    """Name a part. The whole picture and the bare infill are the same for every ranking."""
    return (method, low, high) if 0 < high - low < pixels else ("", 0, high - low)


def _mask(ranks: dict[str, Tensor], part: _Part, like: Tensor) -> Tensor:
    method, low, high = part
    if not method:
        return torch.zeros_like(like, dtype=torch.bool)
    return ((ranks[method] >= low) & (ranks[method] < high)).view_as(like)


def _curve(e: Explanation, keep: list[Tensor], remove: list[Tensor]) -> Curve:
    column = e.class_names.index(e.target)
    # The same operations as in `Explanation.probabilities`, so that both agree to the bit.
    probabilities = [[e.to_probabilities(row) for row in side] for side in (keep, remove)]
    values = (tuple(float(row[column]) for row in side) for side in (*probabilities, keep, remove))
    return Curve(*values, *(tuple(margin(row, column, e.multi_label) for row in side) for side in (keep, remove)))


def _check(e: Explanation, method: str, areas: Sequence[float], baseline: str, chunk: int) -> None:
    if method not in e.maps:
        raise TrustError(f"This explanation holds no map {method!r}: choose one of {', '.join(e.maps)}.")
    if baseline not in INFILLS:
        raise TrustError(f"There is no baseline {baseline!r}: choose one of {', '.join(INFILLS)}.")
    rising = len(areas) > 0 and areas[0] >= 0 and areas[-1] <= 1 and all(a < b for a, b in pairwise(areas))
    if not rising or chunk < 1:
        raise TrustError("Kept areas are shares from 0 to 1, each larger than the one before; a chunk is at least 1.")
    if e.target not in e.class_names:
        raise TrustError(f"These curves follow the output for a class, and {e.target!r} is none: explain a class.")
    if e.maps[method].max() <= 0:
        title = cam.METHODS[method].title
        raise TrustError(f"{title} {e.evidence} {e.target} is zero everywhere: there is no region to keep.")
