"""Real tissue with truth by construction: four patches side by side, of which two are of the class explained.

The grid pointing game (Rao et al. 2022, arXiv 2205.10435): a map for a class should lie on the patches of that class.
Nothing is resized: each patch keeps the scale at which the network was trained. What a map says of the seams, where
tissue ends without a reason, counts for both sides.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from dala.errors import DalaError

__all__ = ["LAYOUTS", "MosaicError", "compose", "deal"]

# Which of the four quadrants, row by row, are of the first class: every way to choose two.
LAYOUTS = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))


class MosaicError(DalaError):
    """Patches that do not make a mosaic."""


def compose(
    first: Sequence[Image.Image], second: Sequence[Image.Image], layout: tuple[int, int]
) -> tuple[Image.Image, np.ndarray]:
    """Two patches of a class and two of another as one picture, and where the first class lies.

    Args:
        first, second: RGB, two each, all of one size (W, H).
        layout: the quadrants of `first`, one of `LAYOUTS`.

    Returns:
        (2 W, 2 H) picture, and (2 H, 2 W) bool, true on the first class: half of the area.

    Raises:
        MosaicError: another number of patches, several sizes, or no such layout.
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


def deal(
    first: Sequence[str], second: Sequence[str], count: int, seed: int = 0
) -> list[tuple[tuple[int, int], tuple[int, int], tuple[int, int]]]:
    """Which patches go into which mosaic: (two indices into first, two into second, layout), `count` times.

    Patches are drawn so that groups, the patients, come up equally often, and the two of a class are of two patients
    where there are two.

    Args:
        first, second: the group of each patch of a class.

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
