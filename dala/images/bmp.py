"""Decode the run lengths of a BMP, which Pillow reads byte by byte, and of an odd number of 4 bits wrongly."""

from typing import cast

from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile

from dala.images.preprocessing import ImageError

__all__ = ["is_run_length", "run_lengths"]

MOST_BYTES = 4_000_000  # two of them take a turn in Python
SAVE = "save it without compression, or as PNG"


def is_run_length(image: BmpImageFile) -> bool:
    """Whether a BMP that Pillow has opened, but not loaded, is of RLE8 or RLE4."""
    return bool(image.tile) and image.tile[0][0] == "bmp_rle"


def run_lengths(image: BmpImageFile, content: bytes) -> Image.Image:
    """Decode a BMP of run lengths.

    Args:
        image: as Pillow has opened it, with its palette; it is not loaded.
        content: the file.

    Raises:
        ImageError: more than `MOST_BYTES` of runs.
        ValueError: they end before the picture does.
    """
    _, _, offset, arguments = image.tile[0]
    _, nibbles, direction = cast(tuple[str, bool, int], arguments)
    runs = content[offset:]
    if len(runs) > MOST_BYTES:
        raise ImageError(f"This BMP has more than {MOST_BYTES // 1_000_000} MB of run lengths: {SAVE}.")
    pixels = _decoded(runs, *image.size, nibbles)
    result = Image.frombytes("L", image.size, bytes(pixels))
    if image.palette:  # otherwise the values are shades of grey
        result.putpalette(image.palette.palette, str(image.palette.rawmode))
    return result if direction == 1 else result.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def _decoded(runs: bytes, width: int, height: int, nibbles: bool) -> bytearray:
    pixels, at, x, y, size = bytearray(width * height), 0, 0, 0, len(runs)
    while at + 1 < size and y < height:
        count, value = runs[at], runs[at + 1]
        at += 2
        if count or value > 2:
            if count:
                run = bytes((value >> 4, value & 15)) * (count // 2 + 1) if nibbles else bytes((value,)) * count
            else:
                count, stored = value, (value + 1) // 2 if nibbles else value
                run = runs[at : at + stored]
                run = bytes(half for byte in run for half in (byte >> 4, byte & 15)) if nibbles else run
                at += stored + stored % 2
            run = run[: min(count, width - x)]
            pixels[y * width + x : y * width + x + len(run)] = run
            x += len(run)
        elif value == 0:
            x, y = 0, y + 1
        elif value == 1:
            return pixels
        elif at + 1 < size:
            x, y = min(x + runs[at], width), y + runs[at + 1]
            at += 2
    if y < height - 1 or (y == height - 1 and x < width):
        raise ValueError("the runs end before the picture")
    return pixels
