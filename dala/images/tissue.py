"""Does a picture look like haematoxylin-eosin at all? Asked before any probability is shown, of the pixels alone.

A network names a class for everything. So the picture's statistics (`dala.images.stain_statistics`) are compared with those of tissue:
one Gaussian, the Mahalanobis distance from it, and one threshold, all fitted on tissue and never on other pictures.
`tests/benchmarks/tissue_check.py` writes them, and the rates at which the check errs, into `tissue.json`.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dala.images import stain_statistics

__all__ = ["FILE", "SAID", "Look", "Tissue", "known", "look", "warning"]

FILE = Path(__file__).with_name("tissue.json")
MOST_REASONS = 2
NOTABLE = 2.5  # standard deviations from which on a second reason is told, too

BARE, GREY, DARK = "hardly any stain", "mostly grey", "darker than a stained slide"
OTHER, DULL, LOUD = (
    "colours that the two stains do not make",
    "paler than the stains",
    "colours stronger than the stains",
)
SINGLE, MANY, SHIFTED = "a single dye", "more colours than two stains make", "another tint than the two stains"
SMOOTH, ROUGH, DRAWN = "smoother than tissue", "rougher than tissue", "flat areas, as in a drawing"
PARTS, FLAT = "large parts that differ, as in a photograph", "no light and dark, as on an empty slide"
# What anybody sees at once, told first: the least share of a statistic, and what to say of it.
PLAIN = (("grey", 0.7, GREY), ("other_colours", 0.3, OTHER), ("black", 0.5, DARK))
LEAST_STAINED = 0.05  # share of the area below which a slide is empty
# What a statistic far below, or far above, that of tissue looks like.
SAID: dict[str, tuple[str, str]] = {
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
class Look:
    """What the check saw.

    Attributes:
        distance: Mahalanobis distance from tissue, at least 0.
        threshold: above which a picture counts as unlike tissue.
        reasons: in words, what is seen at once, then what is furthest from tissue; never empty.
    """

    distance: float
    threshold: float
    reasons: tuple[str, ...]

    @property
    def unlike(self) -> bool:
        """Whether the picture is further from tissue than tissue is."""
        return self.distance > self.threshold

    def sentence(self) -> str:
        """One sentence for whoever gave the picture, whether it is unlike or not."""
        return (
            f"This does not look like a haematoxylin-eosin patch: {', and '.join(self.reasons)}. "
            "The network will name a class all the same; do not read anything into it."
        )


@dataclass(frozen=True)
class Tissue:
    """What tissue looks like.

    Attributes:
        names: of the S statistics.
        mean, scale: (S,), their mean and standard deviation over tissue.
        precision: (S, S), inverse of the covariance of the statistics so standardised.
        threshold: on the distance.
    """

    names: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    precision: np.ndarray
    threshold: float

    @classmethod
    def of(cls, told: dict[str, Any]) -> "Tissue":
        """From the JSON that the benchmark writes."""
        mean, scale, precision = (np.asarray(told[key], np.float64) for key in ("mean", "scale", "precision"))
        return cls(tuple(told["statistics"]), mean, scale, precision, float(told["threshold"]))

    def distances(self, values: np.ndarray) -> np.ndarray:
        """(N, S) statistics -> (N,) Mahalanobis distances."""
        off = (values - self.mean) / self.scale
        return np.sqrt(np.maximum(np.einsum("ns,st,nt->n", off, self.precision, off), 0))

    def look(self, picture: Image.Image) -> Look:
        """The check of one RGB picture of any size."""
        found = stain_statistics.statistics(picture)
        values = np.array([found[name] for name in self.names])
        return Look(float(self.distances(values[None])[0]), self.threshold, self._reasons(values))

    def _reasons(self, values: np.ndarray) -> tuple[str, ...]:
        off = (values - self.mean) / self.scale
        share = {name: value**2 for name, value in zip(self.names, values, strict=True)}
        told = [BARE] if share["stained"] < LEAST_STAINED else []
        told += [words for name, least, words in PLAIN if share[name] >= least]
        for i in np.argsort(-np.abs(off), kind="stable"):
            words = SAID[self.names[i]][int(off[i] > 0)]
            if words not in told and (not told or abs(off[i]) >= NOTABLE):
                told.append(words)
        return tuple(told[:MOST_REASONS])


@cache
def known() -> Tissue:
    """The parameters that come with the package."""
    return Tissue.of(json.loads(FILE.read_text(encoding="utf-8")))


def look(picture: Image.Image) -> Look:
    """Compare an RGB picture, as `dala.images.reading.read` returns it, with haematoxylin-eosin tissue; some 20 ms."""
    return known().look(picture)


def warning(picture: Image.Image) -> str | None:
    """One sentence if a picture is unlike haematoxylin-eosin tissue, else None."""
    seen = look(picture)
    return seen.sentence() if seen.unlike else None
