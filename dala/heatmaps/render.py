"""Draw maps as pictures and describe them in words.

The map view in the browser uses the same formulas; a test compares the two pixel by pixel.
"""

import math

import matplotlib
import numpy as np
from PIL import Image
from torch import Tensor

from dala.errors import DalaError
from dala.heatmaps.thresholds import Threshold

__all__ = ["DEFAULT_OPACITY", "PALETTES", "RenderError", "describe", "number", "overlay", "palette", "place"]

# Perceptually uniform ones first; jet, which invents edges, because much of the literature uses it.
PALETTES = ("viridis", "inferno", "magma", "cividis", "turbo", "jet")
DEFAULT_OPACITY = 0.5


class RenderError(DalaError):
    """A palette that does not exist."""


def palette(name: str = PALETTES[0]) -> np.ndarray:
    """Colour table (256, 3) uint8 of one of `PALETTES`."""
    if name not in PALETTES:
        raise RenderError(f"There is no palette {name!r}: choose one of {', '.join(PALETTES)}.")
    return matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3]


def overlay(
    picture: Image.Image,
    heat: Tensor,
    top: float,
    mask: Tensor | None = None,
    colours: str = PALETTES[0],
    opacity: float = DEFAULT_OPACITY,
    contour: bool = False,
) -> Image.Image:
    """Blend a map over a picture: colour i = round(255 * M / top) where the mask is set, the tissue elsewhere.

    The map is divided by its maximum, never stretched from its minimum, which would turn a flat map into nothing.

    Args:
        picture: RGB of size (W, H).
        heat: (H, W), at least 0.
        top: value of the last colour, the raw map's maximum; 0 returns the picture as it is.
        mask: (H, W) bool; None shows the whole map.
        colours: one of `PALETTES`.
        opacity: of the colour, 0 to 1.
        contour: draw only the mask's inner edge, in the palette's last colour, and leave the tissue visible.
    """
    tissue = np.asarray(picture)
    if top <= 0:
        return picture
    table = palette(colours)
    shown = np.ones(heat.shape, bool) if mask is None else mask.numpy(force=True)
    if contour:
        return Image.fromarray(np.where(_edge(shown)[..., None], table[-1], tissue))
    index = np.minimum(np.floor(heat.numpy(force=True).astype(float) / top * 255 + 0.5), 255).astype(int)
    blended = np.rint(tissue * (1 - opacity) + table[index] * opacity).astype(np.uint8)
    return Image.fromarray(np.where(shown[..., None], blended, tissue))


def number(value: float, top: float, sign: bool = False) -> str:
    """Format a value with the decimals that give `top`, the largest of its kind, three significant digits."""
    decimals = min(9, max(0, 2 - math.floor(math.log10(abs(top))))) if top else 0
    text = f"{value:{'+' if sign else ''}.{decimals}f}"
    return (f"{0:.{decimals}f}" if float(text) == 0 else text).replace("-", "−")


def place(heat: Tensor) -> str:
    """Describe where a map (H, W) is strongest: "upper left", "centre", "right", ..."""
    y, x = divmod(int(heat.argmax()), heat.shape[1])
    row = ("upper", "", "lower")[min(2, 3 * y // heat.shape[0])]
    column = ("left", "", "right")[min(2, 3 * x // heat.shape[1])]
    return f"{row or 'middle'} {column}".removeprefix("middle ") if column else (f"{row} middle" if row else "centre")


def describe(title: str, target: str, layer: str, heat: Tensor, kept: Threshold) -> str:
    """Describe both pictures of a method in one sentence, which is also their alt text."""
    if heat.max() <= 0:
        return f"No positive evidence for {target} at {layer}: the map is zero everywhere."
    start = f"{title} for {target} is strongest at the {place(heat)}; "
    if kept.kept_area == 0:
        return start + "the dynamic threshold lies above the map's maximum and keeps nothing."
    return start + f"the dynamic threshold keeps {100 * kept.kept_area:.1f} % of the area."


def _edge(mask: np.ndarray) -> np.ndarray:
    """Pixels of the mask with a neighbour (left, right, above, below) outside it; the picture's border is no edge."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner
