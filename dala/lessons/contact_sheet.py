"""Small maps as pictures, a pixel a cell, and several of them with their titles on one sheet."""

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

# Blue against, white nothing, red for: told apart with every common colour blindness.
DIVERGING = "RdBu_r"
NOTHING = (217, 212, 204)  # a map that is zero everywhere has no colour of a scale


@dataclass(frozen=True)
class Tile:
    """A picture with words.

    Attributes:
        title, caption: above and below it; plain text.
        alt: what it shows, for those who do not see it.
        picture: RGB; a pixel a cell where it is a map.
    """

    title: str
    caption: str
    alt: str
    picture: Image.Image


def colours(signed: bool) -> np.ndarray:
    """The colour table, (256, 3) uint8: from against to for where `signed`, else from nothing to the maximum."""
    if signed:
        return matplotlib.colormaps[DIVERGING](np.arange(256), bytes=True)[:, :3]
    return render.palette()


def draw(values: Tensor, top: float, signed: bool) -> Image.Image:
    """A map (h, w) as an RGB picture of w times h pixels.

    Args:
        values: at least 0 where not `signed`.
        top: the value of the last colour; where `signed`, the first colour is that of -top, and the middle that of 0.
            0 for a map that is zero everywhere: it becomes grey.
        signed: choose the diverging colours.
    """
    cells = values.numpy(force=True).astype(float)
    if top <= 0:
        return Image.new("RGB", cells.shape[::-1], NOTHING)
    share = np.clip(cells / top, -1, 1) / 2 + 0.5 if signed else np.clip(cells / top, 0, 1)
    return Image.fromarray(colours(signed)[np.floor(share * 255 + 0.5).astype(int)])


def sheet(tiles: Sequence[Tile], columns: int, width: int = 230) -> Image.Image:
    """Tiles in rows on white, each scaled to `width` px (cells stay square-edged), with title and caption."""
    shapes = [tile.picture.size for tile in tiles]
    height = max(round(width * h / w) for w, h in shapes)
    across, down, margin, line = width + 18, height + 62, 18, 20
    rows = -(-len(tiles) // columns)
    made = Image.new("RGB", (min(columns, len(tiles)) * across + margin, rows * down + margin), "white")
    pen = ImageDraw.Draw(made)
    for i, tile in enumerate(tiles):
        x, y = margin + i % columns * across, margin + i // columns * down
        pen.text((x, y - 4), tile.title, "#22201d", _font("DejaVuSans-Bold"))
        small = tile.picture.width < width
        scaled = tile.picture.resize((width, height), Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS)
        made.paste(scaled, (x, y + line - 2))
        pen.text((x, y + line + height), tile.caption, "#5f5a53", _font("DejaVuSans"))
    return made


@lru_cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    # Matplotlib's own: Pillow's has neither × nor −.
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", 12)
