"""A map against random maps of the same smoothness: does the network need what it shows more than what chance shows?

A random map has the map's amplitude spectrum and random phases, so that it is as smooth as the map and otherwise
unrelated to it. All maps are compared at one kept area: shown are their highest pixels alone, then all but these. One
pair of pictures a map, instead of a curve, makes twenty of them affordable.
"""

from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.heatmaps import resize
from dala.images import preprocessing
from dala.progress import Progress, finish
from dala.trust.curves import margin, output
from dala.trust.infill import DEFAULT_INFILL, INFILLS
from dala.trust.runs import logits_of, ranks_of

__all__ = ["COUNT", "Ranked", "Shown", "random_maps", "ranked", "steps"]

COUNT = 20
# A smaller region is lost among the edges of its hole; of a larger one most maps share most.
LEAST, MOST = 1 / 16, 1 / 2


@dataclass(frozen=True)
class Shown:
    """The network's output for the class: a map's region shown alone, and hidden."""

    keep: float
    remove: float
    keep_margin: float
    remove_margin: float

    @property
    def gain(self) -> float:
        """The logit margin of the region alone minus that of the rest: high if the network needs the region."""
        return self.keep_margin - self.remove_margin


@dataclass(frozen=True)
class Ranked:
    """A map among random ones.

    Attributes:
        area: share of the picture that every map keeps.
        whole, whole_margin: probability and logit margin of the class for the whole picture.
        own: of the map.
        random: of the random maps.
        sign: 1 for evidence for the class, -1 for evidence against it.
    """

    area: float
    whole: float
    whole_margin: float
    own: Shown
    random: tuple[Shown, ...]
    sign: int = 1

    @property
    def better(self) -> int:
        """The number of random maps that show less than the map of what the network needs."""
        return sum(self.sign * self.own.gain > self.sign * other.gain for other in self.random)

    @property
    def needed(self) -> float:
        """By how much the margin moves as the map says it should when its region is hidden; below 0 the other way."""
        return self.sign * (self.whole_margin - self.own.remove_margin)


def random_maps(signed: Tensor, count: int = COUNT, seed: int = 0) -> Tensor:
    """Draw random maps as smooth as a map.

    Args:
        signed: (h, w), the map before the ReLU.
        count: how many.
        seed: the same seed gives the same maps.

    Returns:
        (count, h, w), with the amplitude spectrum of the map and the phases of white noise.
    """
    noise = torch.randn(count, *signed.shape, generator=torch.Generator().manual_seed(seed))
    phases = torch.fft.rfft2(noise)
    phases = phases / phases.abs().clamp(min=1e-12)
    return torch.fft.irfft2(torch.fft.rfft2(signed.float()).abs() * phases, s=signed.shape)


def ranked(
    explainer: Explainer,
    explanation: Explanation,
    method: str,
    baseline: str = DEFAULT_INFILL,
    progress: Progress | None = None,
) -> Ranked:
    """Rank a map among random ones; see `steps`."""
    return finish(steps(explainer, explanation, method, baseline), progress)


def steps(
    explainer: Explainer,
    explanation: Explanation,
    method: str,
    baseline: str = DEFAULT_INFILL,
    chunk: int = 4,
    half: bool = False,
) -> Generator[tuple[int, int], None, Ranked]:
    """Generator form of `ranked`: yields (done, total) and returns the result; stop iterating to cancel.

    Args:
        explainer, explanation: of a class.
        method: one of the explanation's maps, somewhere above zero. Its default threshold determines the kept area.
        baseline: what replaces hidden pixels; see `dala.trust.infill`.
        chunk: pictures in one run of the network.
        half: see `dala.trust.deletion.keep_remove`.
    """
    e = explanation
    both = (e.picture, INFILLS[baseline].fill(e.picture))
    shown, hidden = (preprocessing.normalised(picture, explainer.preprocessing)[0] for picture in both)
    pixels = shown[0].numel()
    count = round(min(MOST, max(LEAST, e.threshold(method=method).kept_area)) * pixels)
    masks = _masks(e, method, count)
    parts = [(mask.view_as(shown[0]), *pair) for mask in masks for pair in ((shown, hidden), (hidden, shown))]
    rows: list[Tensor] = []
    for start in range(0, len(parts), chunk):
        rows += logits_of(explainer, torch.stack([torch.where(*p) for p in parts[start : start + chunk]]), half)
        yield len(rows), len(parts)
    own, *others = [_shown(e, *rows[i : i + 2]) for i in range(0, len(rows), 2)]
    sign = 1 if e.evidence == "for" else -1
    return Ranked(count / pixels, output(e, "probability"), output(e, "margin"), own, tuple(others), sign)


def _masks(e: Explanation, method: str, count: int) -> list[Tensor]:
    """(H * W,) masks of the highest pixels: of the map, then of random maps."""
    masks = [ranks_of(e, method) < count]
    for random in random_maps(e.signed[method]):
        heat = resize.upsample(random, e.picture.size[::-1]).flatten()
        mask = torch.zeros_like(heat, dtype=torch.bool)
        mask[heat.topk(count).indices] = True
        masks.append(mask)
    return masks


def _shown(e: Explanation, keep: Tensor, remove: Tensor) -> Shown:
    column = e.class_names.index(e.target)
    alone, rest = (float(e.to_probabilities(row)[column]) for row in (keep, remove))
    return Shown(alone, rest, margin(keep, column), margin(remove, column))
