"""Divide a picture that is much larger than a patch into tiles at the scale the network was trained at."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from dala.images import reading
from dala.images.preprocessing import MOST_AREAS, Preprocessing, zoom_of

__all__ = ["Box", "Selection", "boxes", "select"]

Box = tuple[int, int, int, int]
MOST = 12
# A picture of fewer patches than this is used whole.
FROM = 2.0


@dataclass(frozen=True)
class Selection:
    """The part of a picture that the network gets.

    Attributes:
        picture: RGB, a tile or the whole, at its size in the file.
        zoom: for `Explainer.explain`; None fits the picture to the training area, whatever its scale.
        parts: (left, top, right, bottom) of the tiles that can be chosen instead, in pixels of the file; empty if the
            whole is about a patch.
        thumbnails: small copies of the whole and of every tile; empty if there are no tiles.
        patches: area of the whole picture in patches.
    """

    picture: Image.Image
    zoom: float | None
    parts: tuple[Box, ...]
    thumbnails: tuple[Image.Image, ...]
    patches: float


def select(
    source: reading.Source, preprocessing: Preprocessing, scale: str | None = None, box: Box | None = None
) -> Selection:
    """Read a picture and select the part that the network gets.

    Args:
        source: as for `dala.images.reading.read`.
        preprocessing: the network's.
        scale: the picture's magnification, "40X", "100X", ..., or µm per pixel; None if unknown: then tiles
            assume the scale that the weights expect, and a whole picture is fitted to a patch.
        box: the tile to use. None: the whole; or, if its scale is known and it is too large for the network, the tile
            with the most tissue.

    Raises:
        ImageError: from `dala.images.reading.read`, `zoom_of` and `zoomed`.
    """
    picture = reading.read(source)
    known = zoom_of(scale, preprocessing) if scale else None
    zoom = known or preprocessing.enlargement
    size = max(1, round(preprocessing.width / zoom)), max(1, round(preprocessing.height / zoom))
    patches = picture.width * picture.height / (size[0] * size[1])
    parts = boxes(picture, size) if patches >= FROM else ()
    if box is None and known and patches > MOST_AREAS and parts:
        box = max(parts, key=lambda b: _tissue(picture.crop(b)))
    seen, factor = (picture, known) if box is None else (picture.crop(box), zoom)
    return Selection(seen, factor, parts, _thumbnails(picture, parts), patches)


def boxes(picture: Image.Image, size: tuple[int, int]) -> tuple[Box, ...]:
    """Boxes of an even grid of (width, height) tiles, in reading order; at most `MOST`, those with most tissue."""
    width, height = min(size[0], picture.width), min(size[1], picture.height)
    lefts, tops = _starts(picture.width, width), _starts(picture.height, height)
    grid = [(left, top, left + width, top + height) for top in tops for left in lefts]
    if len(grid) <= MOST:
        return tuple(grid)
    # Measured on a small copy: a tile of a slide's overview may have many megapixels.
    small = picture.reduce(max(1, min(width, height) // 64))
    k = small.width / picture.width
    ranked = sorted(grid, key=lambda b: -_tissue(small.crop([round(v * k) for v in b])))  # type: ignore[arg-type]
    return tuple(sorted(ranked[:MOST], key=lambda b: (b[1], b[0])))


def _thumbnails(picture: Image.Image, parts: tuple[Box, ...]) -> tuple[Image.Image, ...]:
    pictures = [picture.crop(box) for box in ((0, 0, *picture.size), *parts)] if parts else []
    for one in pictures:
        one.thumbnail((240, 160))
    return tuple(pictures)


def _starts(whole: int, part: int) -> list[int]:
    n = max(1, round(whole / part))
    return [round(i * (whole - part) / max(1, n - 1)) for i in range(n)] if n > 1 else [(whole - part) // 2]


def _tissue(picture: Image.Image) -> float:
    """Share of pixels that absorb light as stain does: the darkest channel below 85 % of white."""
    return float((np.asarray(picture).min(2) < 0.85 * 255).mean())
