"""Strength of detail in density and colour at four scales: how a microscope and its camera draw tissue.

Laboratories differ in sharpness, noise and contrast of light and colour, more than tissues do. Measured on the reduced
picture (`dala.images.stain_statistics.reduced`), so that the file format leaves little trace: JPEG at quality 40 moves
none of these by more than half a standard deviation of BreakHis.
"""

import numpy as np
from PIL import Image

from dala.images.stain import optical_density
from dala.images.stain_statistics import reduced

__all__ = ["BANDS", "SCALES", "detail"]

BANDS = ("density", "red", "green")  # mean optical density; red less the mean; green less blue
SCALES = (1, 2, 4, 8)  # px of the reduced picture
FLOOR = 0.002  # optical density; below it lies the rounding of 8 bits
Array = np.ndarray


def detail(picture: Image.Image) -> dict[str, float]:
    """Log mean absolute Laplacian of each band at each scale, by name, such as "detail_red_4".

    Finite for every RGB picture of any size: a scale at which less than 3x3 px are left repeats the one before.
    """
    densities = optical_density(np.asarray(reduced(picture), np.float32))
    mean = densities.mean(2)
    bands = np.stack([mean, densities[..., 0] - mean, densities[..., 1] - densities[..., 2]])
    values: dict[str, float] = {}
    last = np.zeros(len(BANDS))
    for scale in SCALES:
        last = _laplacian(bands) if min(bands.shape[1:]) >= 3 else last
        values |= {f"detail_{band}_{scale}": float(np.log(v + FLOOR)) for band, v in zip(BANDS, last, strict=True)}
        bands = _halved(bands)
    return values


def _laplacian(bands: Array) -> Array:
    """(B, h, w) -> (B,): mean absolute difference between a pixel and the mean of its four neighbours."""
    around = bands[:, :-2, 1:-1] + bands[:, 2:, 1:-1] + bands[:, 1:-1, :-2] + bands[:, 1:-1, 2:]
    return np.abs(bands[:, 1:-1, 1:-1] - around / 4).mean((1, 2), dtype=np.float64)


def _halved(bands: Array) -> Array:
    height, width = (side // 2 for side in bands.shape[1:])
    even = bands[:, : 2 * height, : 2 * width]
    return (even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]) / 4
