"""Draw maps as pictures and describe them in words.

The map view in the browser uses the same formulas; a test compares the two pixel by pixel.
"""

import math

import matplotlib
import numpy as np
from PIL import Image
from torch import Tensor

from dala.heatmaps import looks
from dala.heatmaps.looks import RenderError
from dala.heatmaps.thresholds import Threshold

__all__ = ["PALETTES", "RenderError", "describe", "number", "overlay", "palette", "place"]

# Perceptually uniform ones first; jet, which invents edges, because much of the literature uses it.
PALETTES = ("viridis", "inferno", "magma", "cividis", "turbo", "jet")


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
    opacity: float | None = None,
    look: str = looks.DEFAULT_LOOK,
) -> Image.Image:
    """Draw a map over a picture, or the part of it that a mask keeps; colour i = round(255 * M / top).

    The map is divided by its maximum, never stretched from its minimum, which would turn a flat map into nothing.

    Args:
        picture: RGB of size (W, H).
        heat: (H, W), at least 0.
        top: value of the last colour, the raw map's maximum; 0 returns the picture as it is.
        mask: (H, W) bool; None shows the whole map.
        colours: one of `PALETTES`.
        opacity: of the highest value, 0 to 1; None for the look's own.
        look: one of `dala.heatmaps.looks.LOOKS`.

    Raises:
        RenderError: no such palette or look.
    """
    tissue, chosen = np.asarray(picture), looks.look(look)
    if top <= 0:
        return picture
    share = heat.numpy(force=True).astype(float) / top
    index = np.minimum(np.floor(share * 255 + 0.5), 255).astype(int)
    whole = chosen.whole(tissue, palette(colours)[index], share, chosen.opacity if opacity is None else opacity)
    return Image.fromarray(whole if mask is None else chosen.kept(tissue, whole, mask.numpy(force=True)))


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
