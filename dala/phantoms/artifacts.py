"""Artifacts as decoys: a pen's ink, a fold, a bubble under the cover slip. They are no evidence of the class.

If a decoy is in one class only, a network can learn it as a shortcut instead of the tissue.
All lengths are pixels; stain amounts are optical densities (natural logarithm, 0 = clear glass).
"""

from collections.abc import Callable

import numpy as np

from dala.phantoms.slide import Slide, smooth

__all__ = ["DECOYS", "plant"]

# Optical densities (red, green, blue) of a felt pen's blue-green, and of a bubble's rim, which refracts light away.
INK = np.array([1.35, 0.62, 0.42], np.float32)
RIM = np.array([0.75, 0.75, 0.72], np.float32)
TRIES = 60

# Signed distance to the decoy's outline, negative inside; scale: 1 on a patch of 700x460 pixels.
Distance = np.ndarray


def _ink(s: Slide, d: Distance, scale: float) -> None:
    """Paint a stroke of a felt pen, uneven, and darker at its edge, where ink gathers."""
    edge = smooth(2.5, -2.5, d + 0.8 * s.noise(5))
    load = 0.75 + 0.12 * s.noise(28) + 0.1 * s.noise(6) + 0.35 * np.exp(-(((d + 3) / 3) ** 2))
    s.dirt += (edge * np.clip(load, 0.3, None))[..., None] * INK


def _fold(s: Slide, d: Distance, scale: float) -> None:
    """Paint a fold: two layers of tissue, with a crease along the edges."""
    cover = smooth(1.5, -1.5, d)
    crease = np.exp(-(((d + 2.5) / 1.8) ** 2))
    for stain in (s.h, s.e):
        stain *= 1 + cover * (0.9 + 0.1 * s.noise(30)) + 0.8 * crease
    s.h += 0.08 * cover
    s.e += 0.1 * cover


def _bright(s: Slide, d: Distance, scale: float) -> None:
    """Paint a bubble: hardly any stain inside, a dark rim, and a reflection."""
    inside = smooth(1, -4, d)
    for stain in (s.h, s.e):
        stain *= 1 - 0.93 * inside
    rim = np.exp(-((d / (2.6 * max(scale, 0.5))) ** 2)) + 0.45 * np.exp(-(((d + 7 * scale) / (3 * scale)) ** 2))
    s.dirt += (rim * (0.75 + 0.25 * s.noise(60)))[..., None] * RIM


# Name: its painter, and at scale 1 its half length, half width and bend.
Painter = Callable[[Slide, Distance, float], None]
DECOYS: dict[str, tuple[Painter, float, float, float]] = {
    "ink": (_ink, 115, 27, 9),
    "fold": (_fold, 140, 13, 14),
    "bright": (_bright, 3, 43, 0),
}


def plant(s: Slide, name: str, keep_off: np.ndarray) -> np.ndarray:
    """Paint a decoy where it covers least of `keep_off` among `TRIES` random places.

    Args:
        s: the slide, changed in place.
        name: one of `DECOYS`.
        keep_off: bool (height, width), true on the lesions, which should stay visible.

    Returns:
        bool (height, width), true on the decoy.
    """
    paint, *shape = DECOYS[name]
    scale = float(np.sqrt(s.width * s.height / (700 * 460)))
    length, width, bend = (scale * part for part in shape)
    coarse = slice(None, None, max(1, round(6 * scale)))
    whole = (4 * length * width + np.pi * width**2) / coarse.step**2
    best, least = (0.0, 0.0, 0.0), np.inf
    for x, y, turn in s.rng.uniform(0, 1, (TRIES, 3)) * [s.width, s.height, np.pi]:
        d = _stroke(s, (x, y, turn), length, width, coarse)
        # Half of the decoy outside the picture costs as much as a tenth of it on a lesion.
        lost = (d < bend)[keep_off[coarse, coarse]].sum() + 0.2 * max(0.0, whole - (d < 0).sum())
        if lost < least:
            best, least = (x, y, turn), lost
    waves = bend * s.noise(70 * max(scale, 0.3))
    d = _stroke(s, best, length, width, slice(None), waves) + 0.8 * scale * s.noise(17)
    paint(s, d, scale)
    return d < 0


def _stroke(
    s: Slide,
    place: tuple[float, float, float],
    length: float,
    width: float,
    every: slice,
    bend: np.ndarray | float = 0.0,
) -> Distance:
    """Return the signed distance to a stroke of half length and half width around a place (x, y, direction)."""
    x, y, turn = place
    dx, dy = s.xx[every, every] - x, s.yy[every, every] - y
    along, across = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn) + bend
    return np.hypot(np.clip(np.abs(along) - length, 0, None), across) - width
