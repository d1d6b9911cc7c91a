"""The samples of an uncompressed page of a TIFF as an array: any byte order, strips or tiles, by pixel or by plane."""

import numpy as np

from dala.images import tiff_tags as tags
from dala.images.tiff_layout import Layout
from dala.images.tiff_tags import Page, TagError

__all__ = ["samples"]


HEADER = 8  # bytes of a file that hold no pixels; an offset of 0 stands for a missing strip


def samples(page: Page, layout: Layout) -> np.ndarray:
    """Read the samples of a page that is not compressed.

    Returns:
        (height, width, samples) in the machine's byte order.

    Raises:
        TagError: more samples than the file has bytes, or strips or tiles that are missing or lie outside.
    """
    width, height = page.size
    kind = np.dtype(f"{page.order}{layout.kind}{layout.bits // 8}")
    planes = layout.samples if layout.planar == 2 else 1
    depth = layout.samples // planes
    size = page.stream.seek(0, 2)
    if width * height * layout.samples * kind.itemsize > size:
        raise TagError("more samples than bytes")
    result = np.empty((height, width, layout.samples), kind.newbyteorder("="))
    offsets, (wide, high) = _chunks(page)
    across, down = -(-width // wide), -(-height // high)
    if len(offsets) < planes * across * down:
        raise TagError("missing strips or tiles")
    tiled = tags.TILES in page
    for number in range(planes * across * down):
        plane, place = divmod(number, across * down)
        left, top = place % across * wide, place // across * high
        rows = high if tiled else min(high, height - top)  # the last strip ends with the picture
        wanted = wide * rows * depth * kind.itemsize
        if not HEADER <= offsets[number] <= size - wanted:
            raise TagError("a strip or tile outside of the file")
        page.stream.seek(offsets[number])
        values = np.frombuffer(page.stream.read(wanted), kind).reshape(rows, wide, depth)
        part = result[top : top + high, left : left + wide, plane * depth : (plane + 1) * depth]
        part[:] = values[: part.shape[0], : part.shape[1]]
    return result


def _chunks(page: Page) -> tuple[tuple[int, ...], tuple[int, int]]:
    """Offsets of the strips or tiles, and their width and height."""
    width, height = page.size
    if offsets := page.numbers(tags.TILES):
        sides = page.number(tags.TILE_WIDTH), page.number(tags.TILE_HEIGHT)
    else:
        offsets, sides = page.numbers(tags.STRIPS), (width, min(page.number(tags.STRIP_ROWS, height), height))
    if min(sides) < 1:
        raise TagError("strips or tiles without a size")
    return offsets, sides
