"""Grid pointing game (Rao et al. 2022, arXiv 2205.10435): mosaics of real patches with a known ground truth.

A mosaic has four patches, two of them of the explained class; a map of that class should be high on these two. Nothing
is resized: each patch keeps the scale at which the network was trained. Heat on the seams, which are an artifact of the
mosaic, counts for the patch on either side.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from dala.errors import DalaError

__all__ = ["LAYOUTS", "MosaicError", "compose", "draw"]

# Quadrants of the first class, row by row: every way to choose two of four.
LAYOUTS = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))


class MosaicError(DalaError):
    """Patches that do not make a mosaic."""


def compose(
    first: Sequence[Image.Image], second: Sequence[Image.Image], layout: tuple[int, int]
) -> tuple[Image.Image, np.ndarray]:
    """Compose two patches of one class and two of another, with the mask of the first class.

    Args:
        first, second: RGB, two each, all of one size (W, H).
        layout: the quadrants of `first`, one of `LAYOUTS`.

    Returns:
        picture of size (2 W, 2 H), and mask (2 H, 2 W) bool, true on the first class, which is half of the area.

    Raises:
        MosaicError: another number of patches, several sizes, or an unknown layout.
    """
    sizes = {p.size for p in (*first, *second)}
    if len(first) != 2 or len(second) != 2 or len(sizes) != 1 or layout not in LAYOUTS:
        raise MosaicError("A mosaic takes two patches of each class, all of one size, in one of six layouts.")
    ((width, height),) = sizes
    picture, mask = Image.new("RGB", (2 * width, 2 * height)), np.zeros((2 * height, 2 * width), bool)
    left, right = iter(first), iter(second)
    for quadrant in range(4):
        row, column = divmod(quadrant, 2)
        own = quadrant in layout
        picture.paste(next(left if own else right), (column * width, row * height))
        mask[row * height : (row + 1) * height, column * width : (column + 1) * width] = own
    return picture, mask


def draw(
    first: Sequence[str], second: Sequence[str], count: int, seed: int = 0
) -> list[tuple[tuple[int, int], tuple[int, int], tuple[int, int]]]:
    """Draw the patches of `count` mosaics: (two indices into `first`, two into `second`, layout) for each.

    Groups (patients) are drawn equally often, and the two patches of a class are of two groups if there are two.

    Args:
        first, second: group of each patch, for each class.
        count: number of mosaics.
        seed: seed of the draws.

    Raises:
        MosaicError: a class with less than two patches.
    """
    if min(len(first), len(second)) < 2:
        raise MosaicError("A mosaic takes two patches of each class.")
    rng = np.random.default_rng(seed)
    return [(_pair(first, rng), _pair(second, rng), LAYOUTS[int(rng.integers(len(LAYOUTS)))]) for _ in range(count)]


def _pair(groups: Sequence[str], rng: np.random.Generator) -> tuple[int, int]:
    known = sorted(set(groups))
    chosen = rng.choice(known, 2, replace=len(known) == 1)
    places = [np.flatnonzero(np.asarray(groups) == group) for group in chosen]
    if len(known) == 1:
        one, two = rng.choice(places[0], 2, replace=False)
        return int(one), int(two)
    return int(rng.choice(places[0])), int(rng.choice(places[1]))
