"""How far a picture is from the laboratories that a network was trained on, by stain, texture and detail alone.

A network's probabilities are calibrated on the laboratories of its training pictures. For another laboratory's stain,
microscope and camera, the ranking of pictures may carry over, the probabilities do not. Each laboratory is a Gaussian
over the statistics of its pictures; a picture is compared with the nearest one by the Mahalanobis distance, as in Lee
et al. 2018 (arXiv 1807.03888), but on statistics of pixels: they are those of a small copy of the picture, so that file
format and size leave little trace, and they are independent of the weights. `dala.evaluation.laboratories` fits them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from dala.images import detail, stain_statistics

__all__ = ["ABROAD", "COMPARABLE", "GENERATED", "WORDING", "Laboratories", "Laboratory", "Shift", "side", "statistics"]

# How `Shift.sentence` begins.
ABROAD = "From a laboratory unlike those in training"
GENERATED = "Generated, and unlike the laboratories in training"
# A small copy of a picture that is more than this much larger or smaller shows another scale: it is not compared.
COMPARABLE = 4.0
NOTABLE, MOST_DIFFERENCES = 2.0, 2
STAIN, COLOURS, TINT = (
    ("a paler stain", "a darker stain"),
    ("duller colours", "stronger colours"),
    ("another tint",) * 2,
)
VARIETY, GLASS = ("fewer shades", "more shades"), ("more empty glass", "less empty glass")
SHARPNESS, COLOUR_SHARPNESS = ("softer detail", "sharper detail"), ("softer colours", "sharper colours")
TEXTURE, FIELD = ("another texture",) * 2, ("a more even field", "a less even field")
# What a statistic below, and above, that of the nearest laboratory looks like.
WORDING: dict[str, tuple[str, str]] = {
    "density_low": STAIN,
    "density_median": STAIN,
    "density_high": STAIN,
    "black": STAIN,
    "stained": GLASS,
    "grey": COLOURS[::-1],
    "saturation": COLOURS,
    "saturation_spread": VARIETY,
    "red_spread": VARIETY,
    "green_spread": VARIETY,
    "second_stain": VARIETY,
    "contrast": ("less contrast", "more contrast"),
    "edges": SHARPNESS,
    "edges_coarse": SHARPNESS,
    "edges_coarser": SHARPNESS,
    "edges_sparse": TEXTURE,
    "flat": TEXTURE,
    "uneven": FIELD,
    "uneven_hue": FIELD,
    **{f"detail_density_{scale}": SHARPNESS for scale in detail.SCALES},
    **{f"detail_{band}_{scale}": COLOUR_SHARPNESS for band in detail.BANDS[1:] for scale in detail.SCALES},
}


@dataclass(frozen=True)
class Shift:
    """A picture compared with the nearest laboratory.

    Attributes:
        laboratory: title of the nearest one.
        distance: from it, as a multiple of the distance within which `share` of its own pictures lie.
        share: of the laboratory's pictures, from 0 to 1.
        differences: what differs most from it, in words; empty if nothing stands out by itself.
    """

    laboratory: str
    distance: float
    share: float
    differences: tuple[str, ...]

    @property
    def unlike(self) -> bool:
        """Whether the picture is further away than the laboratory's own pictures."""
        return self.distance > 1

    def sentence(self, start: str = ABROAD) -> str:
        """What follows for the probability, as one sentence; `start` names what is unlike the laboratory."""
        how = f"{self.distance:.2f} times the distance that holds {100 * self.share:.0f} % of {self.laboratory}"
        what = "; ".join([", ".join(self.differences), how] if self.differences else [how])
        return f"{start} ({what}): the order of pictures may hold, the probability does not."


@dataclass(frozen=True, eq=False)
class Laboratory:
    """The distribution of S statistics over one laboratory's pictures.

    Attributes:
        title: of the laboratory.
        pictures: number of pictures that it was fitted to.
        side: median `side` of these, in px.
        mean, scale: (S,), mean and standard deviation.
        precision: (S, S), inverse covariance of the standardised statistics, regularised.
        threshold: distance within which `share` of its pictures lie, if their patients are left out of the fit.
        share: from 0 to 1.
    """

    title: str
    pictures: int
    side: float
    mean: np.ndarray
    scale: np.ndarray
    precision: np.ndarray
    threshold: float = 1.0
    share: float = 0.95

    def standardised(self, values: np.ndarray) -> np.ndarray:
        """(N, S) statistics -> (N, S) in standard deviations from the laboratory's mean."""
        return (values - self.mean) / self.scale

    def distances(self, values: np.ndarray) -> np.ndarray:
        """(N, S) statistics -> (N,) Mahalanobis distances as multiples of the threshold."""
        off = self.standardised(values)
        squares = np.einsum("ns,st,nt->n", off, self.precision, off)
        return np.sqrt(np.maximum(squares, 0)) / self.threshold

    def comparable(self, size: float) -> bool:
        """Whether a picture of this `side` shows tissue at a scale like the laboratory's pictures."""
        return 1 / COMPARABLE <= size / self.side <= COMPARABLE


@dataclass(frozen=True, eq=False)
class Laboratories:
    """The laboratories that a network was trained on.

    Attributes:
        names: of the S statistics.
        sources: one or more.
    """

    names: tuple[str, ...]
    sources: tuple[Laboratory, ...]

    def shift(self, values: Mapping[str, float], size: float) -> Shift:
        """Compare a picture with the nearest laboratory.

        Only laboratories with pictures of a comparable size are looked at, or all if there is none.

        Args:
            values: from `statistics`.
            size: the picture's `side`.
        """
        row = np.array([[values[name] for name in self.names]])
        distances = self._each(row, [size])[0]
        nearest = self.sources[int(np.argmin(distances))]
        return Shift(nearest.title, float(distances.min()), nearest.share, self._differences(nearest, row))

    def distances(self, values: np.ndarray, sizes: Sequence[float]) -> np.ndarray:
        """(N, S) statistics and N sides -> (N,) distances, as `Shift.distance`."""
        return self._each(values, sizes).min(1)

    def _each(self, values: np.ndarray, sizes: Sequence[float]) -> np.ndarray:
        """(N, sources) distances, infinite from laboratories that a picture is not compared with."""
        distances = np.stack([source.distances(values) for source in self.sources], 1)
        compared = np.array([[source.comparable(size) for source in self.sources] for size in sizes])
        compared |= ~compared.any(1, keepdims=True)
        return np.where(compared, distances, np.inf)

    def _differences(self, laboratory: Laboratory, row: np.ndarray) -> tuple[str, ...]:
        off = laboratory.standardised(row)[0]
        words = [
            WORDING.get(self.names[i], TINT)[int(off[i] > 0)]
            for i in np.argsort(-np.abs(off), kind="stable")
            if abs(off[i]) >= NOTABLE
        ]
        return tuple(dict.fromkeys(words))[:MOST_DIFFERENCES]


def statistics(picture: Image.Image) -> dict[str, float]:
    """The statistics that laboratories are compared by, of an RGB picture of any size."""
    return stain_statistics.statistics(picture) | detail.detail(picture)


def side(size: tuple[int, int]) -> float:
    """Side in px of the square that has the area of a picture of (width, height)."""
    return float((size[0] * size[1]) ** 0.5)
