"""Reduce samples of more than 8 bits to 8."""

import numpy as np

from dala.images.preprocessing import ImageError

__all__ = ["check_used", "grey", "high_byte"]

INTEGERS = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16))
FLOATS = (1, 255, 65535)
QUARTER = "The picture uses a quarter or less of its 16 bits per channel: save it with 8 bits."


def grey(values: np.ndarray) -> np.ndarray:
    """Scale grey values of any kind to uint8.

    Integers are divided by the smallest of 2^8-1, 2^10-1, 2^12-1, 2^14-1, 2^16-1 that holds the largest value, floats
    by the smallest of 1, 255, 65535 that does; negative or larger values are stretched from minimum to maximum.

    Raises:
        ImageError: values that are not finite.
    """
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high, high - low]).all():
        raise ImageError("The picture holds values that are not finite numbers.")
    ranges = FLOATS if values.dtype.kind == "f" else INTEGERS
    low, high = next(((0.0, float(top)) for top in ranges if low >= 0 and high <= top), (low, high))
    bands = [_scaled(band, low, high) for band in np.array_split(values, max(1, values.size >> 20))]
    return np.concatenate(bands)


def high_byte(values: np.ndarray) -> np.ndarray:
    """The upper 8 of 16 bits, as Pillow reads colours of 16 bits."""
    return (values >> 8).astype(np.uint8)


def check_used(colours: np.ndarray, alpha: np.ndarray | None = None) -> None:
    """Refuse 16-bit colours whose upper two bits are empty, as those of 10- and 12-bit cameras are.

    Args:
        colours: the upper bytes, (height, width) or (height, width, channels) uint8.
        alpha: opacity (height, width); clear pixels do not count.

    Raises:
        ImageError: no value of 64 or more.
    """
    if alpha is not None and alpha.any():
        colours = colours[alpha > 0]
    if colours.max() < 64:
        raise ImageError(QUARTER)


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    exact = "f4" if values.itemsize < 4 or values.dtype == np.float32 else "f8"
    above: np.ndarray = values.astype(exact) - low
    return np.rint(above * (255 / ((high - low) or 1))).astype(np.uint8)
