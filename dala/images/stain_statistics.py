"""Statistics of stain and texture of a whole picture, from its pixels alone.

Colour is measured as optical density, which adds up with the amount of stain (Beer-Lambert law), and as chromaticity,
which does not depend on it (hue-saturation-density model, van der Laak et al., Cytometry 39, 2000). Haematoxylin and
eosin differ in chromaticity and span a plane of densities (Ruifrok & Johnston, Anal Quant Cytol Histol 23, 2001): green
light is absorbed most by both, dense places are bluer, and at one density both colours occur.
"""

import numpy as np
from PIL import Image

from dala.images.stain import optical_density

__all__ = ["SIDE", "STAINED", "reduced", "statistics"]

SIDE = 256  # px; the longer side of a larger picture is reduced to it
STAINED = 0.1  # mean optical density over the channels from which a pixel counts as stained
FAINT = 0.02  # the density below which a chromaticity would be noise
BLOCKS = 4  # the picture is divided into 4x4 blocks to measure how even it is
LEVELS = 8  # groups of equal size by density

Array = np.ndarray


def statistics(picture: Image.Image) -> dict[str, float]:
    """Compute the statistics by name; finite for every RGB picture, and deterministic.

    Shares enter as their square root and positive spreads as their logarithm, which makes tissue nearly Gaussian.
    """
    rgb = np.asarray(reduced(picture), np.float64)
    densities = optical_density(rgb)  # (H, W, 3), 0 = clear glass, 2.4 = black
    density = densities.mean(2)
    chroma = _chromaticity(densities, density)
    weight = density / max(float(density.sum()), 1e-9)  # colour counts where there is stain
    return (
        _amount(density, rgb) | _colour(rgb, weight) | _hues(chroma, density, weight) | _texture(rgb, density, chroma)
    )


def reduced(picture: Image.Image) -> Image.Image:
    """Reduce a picture to the RGB that the statistics use, the longer side at most `SIDE` px. Idempotent."""
    picture = picture if picture.mode == "RGB" else picture.convert("RGB")
    scale = SIDE / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture if scale >= 1 else picture.resize(size, Image.Resampling.BOX)


def _chromaticity(densities: Array, density: Array) -> Array:
    """(2, H, W): absorption of red relative to the mean, and of green relative to blue."""
    safe = np.maximum(density, FAINT)
    red = densities[..., 0] / safe - 1
    green = (densities[..., 1] - densities[..., 2]) / (np.sqrt(3) * safe)
    return np.stack([np.clip(red, -1, 2), np.clip(green, -1.8, 1.8)])


def _amount(density: Array, rgb: Array) -> dict[str, float]:
    low, median, high = np.quantile(density, (0.05, 0.5, 0.95))
    return {
        "density_low": float(low),
        "density_median": float(median),
        "density_high": float(high),
        "stained": _root(density >= STAINED),
        "black": _root(rgb.max(2) < 60),
    }


def _colour(rgb: Array, weight: Array) -> dict[str, float]:
    red, green, blue = np.moveaxis(rgb, 2, 0)
    brightest = rgb.max(2)
    range_ = brightest - rgb.min(2)
    saturation = range_ / np.maximum(brightest, 1)
    return {
        "grey": float(np.sqrt((weight * (range_ < 12)).sum())),
        # Both stains absorb green most: where green is not the smallest channel, the colour is another one.
        "other_colours": float(np.sqrt((weight * (green > np.minimum(red, blue) + 4)).sum())),
        "saturation": float((weight * saturation).sum()),
        "saturation_spread": float(saturation.std()),
    }


def _hues(chroma: Array, density: Array, weight: Array) -> dict[str, float]:
    mean = (weight * chroma).sum((1, 2))
    off = chroma - mean[:, None, None]
    variance = (weight * off**2).sum((1, 2))
    dense = density - (weight * density).sum()
    spread = np.sqrt((weight * dense**2).sum() * variance) + 1e-3
    along = (weight * dense * off).sum((1, 2)) / spread
    return {
        "red": float(mean[0]),
        "green": float(mean[1]),
        "red_spread": float(np.sqrt(variance[0])),
        "green_spread": float(np.sqrt(variance[1])),
        "red_with_green": float((weight * off[0] * off[1]).sum() / (np.sqrt(variance.prod()) + 1e-3)),
        "red_with_density": float(along[0]),
        "green_with_density": float(along[1]),
        "second_stain": _second_stain(chroma, density, weight),
    }


def _second_stain(chroma: Array, density: Array, weight: Array) -> float:
    """Log spread of chromaticity among pixels of equal density: small for a single dye."""
    order = np.argsort(density, axis=None, kind="stable")
    left = 0.0
    for group in np.array_split(order, min(LEVELS, order.size)):
        w, values = weight.ravel()[group], chroma.reshape(2, -1)[:, group]
        mean = (w * values).sum(1, keepdims=True) / max(float(w.sum()), 1e-12)
        left += float((w * (values - mean) ** 2).sum())
    return float(np.log(np.sqrt(left) + 0.02))


def _texture(rgb: Array, density: Array, chroma: Array) -> dict[str, float]:
    spread = float(density.std()) + 0.01
    half = _halved(density)
    fine, coarse, coarser = (_steps(values) for values in (density, half, _halved(half)))
    equal = [(np.diff(rgb, axis=axis) == 0).all(2).ravel() for axis in (0, 1)]
    blocks = _blocks(density)
    hues = np.stack([_blocks(band * density) for band in chroma]) / np.maximum(blocks, FAINT)
    return {
        "contrast": float(np.log(spread)),
        "edges": float(np.log(_mean(fine) / spread + 0.01)),
        "edges_coarse": float(np.log(_mean(coarse) / spread + 0.01)),
        "edges_coarser": float(np.log(_mean(coarser) / spread + 0.01)),
        # Few steep edges in smooth areas, as in drawings, against many similar ones.
        "edges_sparse": float(np.log((fine.std() + 1e-3) / (_mean(fine) + 1e-3))) if fine.size else 0.0,
        "flat": _root(np.concatenate(equal)),
        "uneven": float(blocks.std() / spread),
        "uneven_hue": float(np.log(np.sqrt(hues.var((1, 2)).sum()) + 0.02)),
    }


def _steps(values: Array) -> Array:
    return np.concatenate([np.abs(np.diff(values, axis=axis)).ravel() for axis in (0, 1)])


def _halved(values: Array) -> Array:
    height, width = (side // 2 for side in values.shape)
    return values[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3)) if height * width else values[:0]


def _blocks(values: Array) -> Array:
    size = (BLOCKS, BLOCKS)
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BOX), np.float64)


def _root(mask: Array) -> float:
    return float(np.sqrt(_mean(mask)))


def _mean(values: Array) -> float:
    return float(values.mean()) if values.size else 0.0
