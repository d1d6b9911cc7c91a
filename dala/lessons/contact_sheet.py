"""Small maps as pictures, one pixel for each cell, and contact sheets of several with titles."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from dala.heatmaps import render

__all__ = ["DIVERGING", "Tile", "colours", "draw", "sheet"]

# Blue is against, white zero, red for: distinguishable with every common colour blindness.
DIVERGING = "RdBu_r"
NOTHING = (217, 212, 204)  # a map that is zero everywhere has no colour scale


@dataclass(frozen=True)
class Tile:
    """A picture with its text.

    Attributes:
        title, caption: plain text above and below the picture.
        alt: text alternative.
        picture: RGB; for a map, one pixel for each cell.
    """

    title: str
    caption: str
    alt: str
    picture: Image.Image


def colours(signed: bool) -> np.ndarray:
    """The colour table, (256, 3) uint8: from against to for if `signed`, else from zero to the maximum."""
    if signed:
        return matplotlib.colormaps[DIVERGING](np.arange(256), bytes=True)[:, :3]
    return render.palette()


def draw(values: Tensor, top: float, signed: bool) -> Image.Image:
    """Draw a map (h, w) as an RGB picture of w times h pixels.

    Args:
        values: at least 0 unless `signed`.
        top: value of the last colour. If `signed`, the first colour is -top and the middle one 0. A top of 0, for a map
            that is zero everywhere, gives grey.
        signed: use the diverging colours.
    """
    cells = values.numpy(force=True).astype(float)
    if top <= 0:
        return Image.new("RGB", cells.shape[::-1], NOTHING)
    share = np.clip(cells / top, -1, 1) / 2 + 0.5 if signed else np.clip(cells / top, 0, 1)
    return Image.fromarray(colours(signed)[np.floor(share * 255 + 0.5).astype(int)])


def sheet(tiles: Sequence[Tile], columns: int, width: int = 230) -> Image.Image:
    """Arrange tiles in rows on white, each scaled to `width` px (cells keep sharp edges), with title and caption."""
    shapes = [tile.picture.size for tile in tiles]
    height = max(round(width * h / w) for w, h in shapes)
    across, down, margin, line = width + 18, height + 62, 18, 20
    rows = -(-len(tiles) // columns)
    canvas = Image.new("RGB", (min(columns, len(tiles)) * across + margin, rows * down + margin), "white")
    pen = ImageDraw.Draw(canvas)
    for i, tile in enumerate(tiles):
        x, y = margin + i % columns * across, margin + i // columns * down
        pen.text((x, y - 4), tile.title, "#22201d", _font("DejaVuSans-Bold"))
        small = tile.picture.width < width
        scaled = tile.picture.resize((width, height), Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS)
        canvas.paste(scaled, (x, y + line - 2))
        pen.text((x, y + line + height), tile.caption, "#5f5a53", _font("DejaVuSans"))
    return canvas


@lru_cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    # The font of Matplotlib: that of Pillow has neither × nor −.
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", 12)
