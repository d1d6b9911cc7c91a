"""A stained slide as two maps, haematoxylin and eosin, and a microscope that photographs it.

All lengths are pixels; stain amounts are optical densities (natural logarithm, 0 = clear glass).
"""

import copy
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from dala.images.stain import EOSIN, HAEMATOXYLIN

__all__ = ["Outline", "Slide", "smooth"]

EVERYWHERE = (slice(None), slice(None))
Amount = np.ndarray | float


@dataclass(frozen=True)
class Outline:
    """A closed wavy curve around a centre; `wall` is the thickness of the epithelium inside it."""

    x: float
    y: float
    radius: float
    wall: float
    stretch: float
    tilt: float
    waves: np.ndarray

    def edge(self, phi: np.ndarray) -> np.ndarray:
        """Distance of the curve from its centre in direction `phi` (radians, any shape)."""
        oval = 1 / np.sqrt((np.cos(phi - self.tilt) / self.stretch) ** 2 + np.sin(phi - self.tilt) ** 2)
        wobble = sum(a * np.cos(k * phi + p) for k, (a, p) in enumerate(self.waves, start=2))
        return self.radius * oval * (1 + wobble)

    def distance(self, xx: np.ndarray, yy: np.ndarray) -> np.ndarray:
        """Approximate the signed distance of pixels to the curve, negative inside."""
        dx, dy = xx - self.x, yy - self.y
        return np.hypot(dx, dy) - self.edge(np.arctan2(dy, dx))


class Slide:
    """A stained patch before it is photographed.

    Attributes:
        h, e: haematoxylin and eosin, (height, width) float32 optical densities.
        dirt: other absorption, such as ink: (height, width, 3) optical densities of red, green and blue.
        tissue: 1 on stroma, 0 elsewhere.
        angle: direction of the fibres, radians.
        centres: (x, y) of every nucleus.
        rng: source of all random numbers; see `draw_from`.
    """

    def __init__(self, seed: int, size: tuple[int, int]) -> None:
        self.seed = seed
        self.rng = np.random.default_rng(seed)
        self.width, self.height = size
        self.yy, self.xx = np.mgrid[: self.height, : self.width].astype(np.float32)
        self.h: np.ndarray = np.zeros((self.height, self.width), np.float32)
        self.e: np.ndarray = np.zeros_like(self.h)
        self.dirt: np.ndarray = np.zeros((self.height, self.width, 3), np.float32)
        self.tissue: np.ndarray = np.ones_like(self.h)
        self.angle: np.ndarray = np.zeros_like(self.h)
        self.centres: list[tuple[float, float]] = []

    def draw_from(self, stream: int) -> None:
        """Switch to a numbered stream of random numbers, so that one part of a patch never changes another part."""
        self.rng = np.random.default_rng([self.seed, stream])

    def twin(self) -> "Slide":
        """Return a copy that can be painted on without changing this slide."""
        other = copy.copy(self)
        other.h, other.e, other.dirt = self.h.copy(), self.e.copy(), self.dirt.copy()
        other.tissue, other.centres = self.tissue.copy(), list(self.centres)
        return other

    def at(self, x: float, y: float) -> tuple[int, int]:
        """Return row and column of the pixel nearest to a position, which may be outside the picture."""
        return int(min(max(y, 0), self.height - 1)), int(min(max(x, 0), self.width - 1))

    def noise(self, scale: float) -> np.ndarray:
        """Draw a smooth random field (height, width) with mean 0 and deviation near 1; `scale` is the blob size."""
        rows, cols = int(self.height / scale) + 4, int(self.width / scale) + 4
        grid = Image.fromarray(self.rng.standard_normal((rows, cols)).astype(np.float32))
        box = (1, 1, 1 + self.width / scale, 1 + self.height / scale)
        return 1.4 * np.asarray(grid.resize((self.width, self.height), Image.Resampling.BICUBIC, box))

    def outline(self, x: float, y: float, radius: float, wall: float, wobble: float = 0.06) -> Outline:
        """Draw a curve of random shape around (x, y)."""
        waves = np.stack([self.rng.normal(0, wobble, 4) / [1, 1.3, 2, 2.6], self.rng.uniform(0, 6.3, 4)], axis=1)
        return Outline(x, y, radius, wall, self.rng.uniform(1.0, 1.5), self.rng.uniform(0, 3.14), waves)

    def around(self, o: Outline) -> tuple[slice, slice]:
        """Return the part of the picture (rows, columns) that an outline can touch."""
        return self.window(o.x, o.y, 2 * o.radius + 12)

    def window(self, x: float, y: float, reach: float) -> tuple[slice, slice]:
        """Return the part of the picture (rows, columns) at most `reach` away from (x, y) along either axis."""
        left, top = max(int(x - reach), 0), max(int(y - reach), 0)
        return slice(top, max(int(y + reach), 0)), slice(left, max(int(x + reach), 0))

    def soften(self, region: np.ndarray, radius: float = 2) -> np.ndarray:
        """Convert a region, bool (height, width), to a cover of 0 to 1 with a soft edge."""
        blurred = Image.fromarray((255 * region).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
        return np.asarray(blurred, np.float32) / 255

    def paint(self, cover: np.ndarray, h: Amount, e: Amount, here: tuple[slice, slice] = EVERYWHERE) -> None:
        """Replace the stains by `h` and `e` in proportion to `cover` (0 to 1), which is no stroma any more."""
        self.h[here] += cover * (h - self.h[here])
        self.e[here] += cover * (e - self.e[here])
        self.tissue[here] *= 1 - cover

    def nucleus(self, x: float, y: float, long: float, short: float, angle: float, dye: float, wild: float) -> None:
        """Paint one nucleus with half axes `long`, `short`; `wild` (0 to 1) makes outline and chromatin irregular."""
        here = self.window(x, y, long * 1.6 + 3)
        xx, yy = self.xx[here] - x, self.yy[here] - y
        if xx.size == 0:
            return
        if 0 <= x < self.width and 0 <= y < self.height:
            self.centres.append((x, y))
        along = (xx * np.cos(angle) + yy * np.sin(angle)) / long
        across = (yy * np.cos(angle) - xx * np.sin(angle)) / short
        phi = np.arctan2(across, along)
        p, q, r = self.rng.uniform(0, 6.3, 3)
        wobble = 1 + wild * (0.16 * np.cos(2 * phi + p) + 0.13 * np.cos(3 * phi + q) + 0.06 * np.cos(5 * phi + r))
        inside = (wobble - np.hypot(along, across)) * short
        grain = self.rng.standard_normal(xx.shape, dtype=np.float32)
        # The chromatin lines the nuclear membrane, so the rim is darker than the middle.
        rim = np.exp(-(((inside - 1.2) / 1.3) ** 2))
        body = dye * (0.84 + 0.16 * rim + (0.08 + 0.10 * wild) * grain)
        cover = np.clip(inside / 1.4 + 0.5, 0, 1)
        self.h[here] = np.maximum(self.h[here], cover * body)
        self.e[here] *= 1 - 0.45 * cover

    def blur(self) -> None:
        """Apply the finite resolution of the lens to the stains, which mixes neighbours and keeps totals."""
        self.h, self.e = _blurred(self.h), _blurred(self.e)

    def photograph(self) -> Image.Image:
        """Apply the Beer-Lambert law, then a microscope camera: uneven light, white balance, sensor noise."""
        density = self.h[..., None] * HAEMATOXYLIN + self.e[..., None] * EOSIN + self.dirt
        white = np.array([240, 237, 227], np.float32) + self.rng.normal(0, 2.5, 3).astype(np.float32)
        fall = np.hypot((self.xx / self.width - 0.5), (self.yy / self.height - 0.5))
        light = 1.01 - 0.12 * fall**2 + 0.012 * self.noise(300)
        # A few percent of glare reach the sensor without passing the tissue, so the darkest nuclei are not black.
        rgb = white * (0.07 + 0.93 * np.exp(-density)) * light[..., None]
        noise = self.rng.standard_normal(rgb.shape, dtype=np.float32)
        return Image.fromarray(np.clip(rgb + noise * (0.9 + 0.008 * rgb) + 0.5, 0, 255).astype(np.uint8))


def _blurred(stain: np.ndarray, radius: float = 0.85) -> np.ndarray:
    # Pillow does not blur float pictures; a separable kernel of seven taps is enough for a Gaussian of this width.
    taps = np.exp(-(np.arange(-3, 4) ** 2) / (2 * radius**2)).astype(np.float32)
    for axis in (0, 1):
        wide = np.pad(stain, [(3, 3) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        size = stain.shape[axis]
        stain = sum(k * wide.take(range(i, i + size), axis) for i, k in enumerate(taps / taps.sum()))
    return stain


def smooth(low: float, high: float, value: np.ndarray) -> np.ndarray:
    """Return a smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
