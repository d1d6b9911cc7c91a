"""Check from pixels alone whether a picture looks like haematoxylin-eosin tissue.

A network names a class for any input. This check compares the picture's statistics (`dala.images.stain_statistics`)
with those of tissue: one Gaussian, the Mahalanobis distance from it, and one threshold, all fitted on tissue and never
on other pictures. `tests/benchmarks/tissue_check.py` writes them, with the error rates of the check, to `tissue.json`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dala.images import stain_statistics

__all__ = ["FILE", "WORDING", "Check", "Tissue", "check", "known", "warning"]

FILE = Path(__file__).with_name("tissue.json")
MOST_REASONS = 2
NOTABLE = 2.5  # standard deviations from which a second reason is named, too

BARE, GREY, DARK = "hardly any stain", "mostly grey", "darker than a stained slide"
OTHER, DULL, LOUD = (
    "colours that the two stains do not make",
    "paler than the stains",
    "colours stronger than the stains",
)
SINGLE, MANY, SHIFTED = "a single dye", "more colours than two stains make", "another tint than the two stains"
SMOOTH, ROUGH, DRAWN = "smoother than tissue", "rougher than tissue", "flat areas, as in a drawing"
PARTS, FLAT = "large parts that differ, as in a photograph", "no light and dark, as on an empty slide"
# Obvious reasons, named first: statistic, least share, wording.
PLAIN = (("grey", 0.7, GREY), ("other_colours", 0.3, OTHER), ("black", 0.5, DARK))
LEAST_STAINED = 0.05  # share of the area below which a slide is empty
# What a statistic far below, and far above, that of tissue looks like.
WORDING: dict[str, tuple[str, str]] = {
    "density_low": (BARE, DARK),
    "density_median": (BARE, DARK),
    "density_high": (BARE, DARK),
    "stained": (BARE, DARK),
    "black": (BARE, DARK),
    "grey": (LOUD, GREY),
    "other_colours": (SHIFTED, OTHER),
    "saturation": (DULL, LOUD),
    "saturation_spread": (DULL, LOUD),
    "red": (SHIFTED, SHIFTED),
    "green": (OTHER, SHIFTED),
    "red_spread": (SINGLE, MANY),
    "green_spread": (SINGLE, MANY),
    "red_with_green": (SHIFTED, SHIFTED),
    "red_with_density": (SHIFTED, SHIFTED),
    "green_with_density": (SHIFTED, SHIFTED),
    "second_stain": (SINGLE, MANY),
    "contrast": (FLAT, ROUGH),
    "edges": (SMOOTH, ROUGH),
    "edges_coarse": (SMOOTH, ROUGH),
    "edges_coarser": (SMOOTH, ROUGH),
    "edges_sparse": (ROUGH, DRAWN),
    "flat": (ROUGH, DRAWN),
    "uneven": (ROUGH, PARTS),
    "uneven_hue": (SINGLE, PARTS),
}


@dataclass(frozen=True)
class Check:
    """Result of the check.

    Attributes:
        distance: Mahalanobis distance from tissue, at least 0.
        threshold: distance above which a picture counts as unlike tissue.
        reasons: in words, obvious ones first, then those furthest from tissue; never empty.
    """

    distance: float
    threshold: float
    reasons: tuple[str, ...]

    @property
    def unlike(self) -> bool:
        """Whether the picture is further from tissue than tissue is."""
        return self.distance > self.threshold

    def sentence(self) -> str:
        """The warning as one sentence."""
        return (
            f"This does not look like a haematoxylin-eosin patch: {', and '.join(self.reasons)}. "
            "The network names a class for any picture; do not interpret this one."
        )


@dataclass(frozen=True)
class Tissue:
    """Distribution of the statistics over tissue.

    Attributes:
        names: of the S statistics.
        mean, scale: (S,), their mean and standard deviation.
        precision: (S, S), inverse covariance of the standardised statistics.
        threshold: distance above which a picture counts as unlike tissue.
    """

    names: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    precision: np.ndarray
    threshold: float

    @classmethod
    def of(cls, parameters: dict[str, Any]) -> "Tissue":
        """Build from the JSON that the benchmark writes."""
        mean, scale, precision = (np.asarray(parameters[key], np.float64) for key in ("mean", "scale", "precision"))
        return cls(tuple(parameters["statistics"]), mean, scale, precision, float(parameters["threshold"]))

    def distances(self, values: np.ndarray) -> np.ndarray:
        """(N, S) statistics -> (N,) Mahalanobis distances."""
        off = (values - self.mean) / self.scale
        return np.sqrt(np.maximum(np.einsum("ns,st,nt->n", off, self.precision, off), 0))

    def check(self, statistics: Mapping[str, float]) -> Check:
        """Check one picture by its `dala.images.stain_statistics.statistics`."""
        values = np.array([statistics[name] for name in self.names])
        return Check(float(self.distances(values[None])[0]), self.threshold, self._reasons(values))

    def _reasons(self, values: np.ndarray) -> tuple[str, ...]:
        off = (values - self.mean) / self.scale
        share = {name: value**2 for name, value in zip(self.names, values, strict=True)}
        reasons = [BARE] if share["stained"] < LEAST_STAINED else []
        reasons += [words for name, least, words in PLAIN if share[name] >= least]
        for i in np.argsort(-np.abs(off), kind="stable"):
            words = WORDING[self.names[i]][int(off[i] > 0)]
            if words not in reasons and (not reasons or abs(off[i]) >= NOTABLE):
                reasons.append(words)
        return tuple(reasons[:MOST_REASONS])


@cache
def known() -> Tissue:
    """The distribution that the package ships."""
    return Tissue.of(json.loads(FILE.read_text(encoding="utf-8")))


def check(picture: Image.Image) -> Check:
    """Compare an RGB picture, as `dala.images.reading.read` returns it, with haematoxylin-eosin tissue; about 20 ms."""
    return known().check(stain_statistics.statistics(picture))


def warning(picture: Image.Image) -> str | None:
    """One sentence if a picture is unlike haematoxylin-eosin tissue, else None."""
    result = check(picture)
    return result.sentence() if result.unlike else None
