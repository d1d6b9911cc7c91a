"""How a map and its thresholded part are drawn over the tissue: one registry of pure functions of arrays.

The scripts of the map view hold the same formulas under the same names; a test compares the two pixel by pixel.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dala.errors import DalaError

__all__ = ["DEFAULT_LOOK", "DIM", "GREY", "LINE", "LOOKS", "Look", "RenderError", "look"]

# Outside the lamp's light the tissue keeps this share of its saturation, and then of its brightness.
GREY, DIM = 0.25, 0.5
LINE = 2  # width of the outline in pixels, without its dark rim of one pixel
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


class RenderError(DalaError):
    """A palette or a look that does not exist."""


@dataclass(frozen=True)
class Look:
    """A way to draw.

    Attributes:
        title: on the page.
        opacity: of the map's highest value, by default.
        whole: (tissue, colours, share, opacity) -> picture of the whole map, where tissue and colours (H, W, 3) hold
            0 to 255, and share (H, W) is the map divided by the value of the last colour.
        kept: (tissue, whole, mask) -> picture of the thresholded map, from what `whole` returned and the mask (H, W).
    """

    title: str
    opacity: float
    whole: Callable[[np.ndarray, np.ndarray, np.ndarray, float], np.ndarray]
    kept: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def look(name: str) -> Look:
    """Return one of `LOOKS`.

    Raises:
        RenderError: there is none of this name.
    """
    if name not in LOOKS:
        raise RenderError(f"There is no look {name!r}: choose one of {', '.join(LOOKS)}.")
    return LOOKS[name]


def outlined(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Draw the border of a mask in white, `LINE` pixels inside it, with a dark rim outside: visible on any stain.

    The picture's own border is no border of the mask.
    """
    inside = mask & ~_all_near(mask, LINE)
    rim = ~mask & ~_all_near(~mask, 1)
    return np.where(inside[..., None], 255, np.where(rim[..., None], 0, picture)).astype(np.uint8)


def _glow(tissue: np.ndarray, colours: np.ndarray, share: np.ndarray, opacity: float) -> np.ndarray:
    """Opacity follows the value: what is low keeps the tissue's colours."""
    alpha = (opacity * np.clip(share, 0, 1))[..., None]
    return _rounded(tissue * (1 - alpha) + colours * alpha)


def _veil(tissue: np.ndarray, colours: np.ndarray, share: np.ndarray, opacity: float) -> np.ndarray:
    return _rounded(tissue * (1 - opacity) + colours * opacity)


def _lamp(tissue: np.ndarray, whole: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The kept tissue in untouched colour, the rest dimmed and desaturated."""
    grey = (tissue @ np.array(LUMA))[..., None]
    dark = _rounded(DIM * (GREY * tissue + (1 - GREY) * grey))
    return outlined(np.where(mask[..., None], tissue, dark), mask)


def _part(tissue: np.ndarray, whole: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.where(mask[..., None], whole, tissue)


def _outline(tissue: np.ndarray, whole: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return outlined(tissue, mask)


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.rint(values).astype(np.uint8)


def _all_near(mask: np.ndarray, distance: int) -> np.ndarray:
    """Where a pixel and those up to `distance` away in its row and column are set; beyond the border all are."""
    height, width = mask.shape
    padded, near = np.pad(mask, distance, constant_values=True), mask.copy()
    for d in range(1, distance + 1):
        for y, x in ((-d, 0), (d, 0), (0, -d), (0, d)):
            near &= padded[distance + y : distance + y + height, distance + x : distance + x + width]
    return near


LOOKS = {
    "lamp": Look("lamp: kept tissue in its own colours", 0.8, _glow, _lamp),
    "veil": Look("veil: colours over the kept tissue", 0.5, _veil, _part),
    "outline": Look("outline only", 0.8, _glow, _outline),
}
DEFAULT_LOOK = "lamp"
