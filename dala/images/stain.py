"""Haematoxylin and eosin in optical density (Beer-Lambert): separate, change, summarise."""

from collections.abc import Callable

import numpy as np
from PIL import Image

__all__ = ["EOSIN", "HAEMATOXYLIN", "colour_features", "optical_density", "restained"]


# Optical density of each stain in red, green and blue: Ruifrok & Johnston, "Quantification of
# histochemical staining by color deconvolution", Anal Quant Cytol Histol 23 (2001) 291-299.
HAEMATOXYLIN = np.array([0.650, 0.704, 0.286], dtype=np.float32)
EOSIN = np.array([0.072, 0.990, 0.105], dtype=np.float32)


def optical_density(pixels: np.ndarray, log: Callable[[np.ndarray], np.ndarray] = np.log10) -> np.ndarray:
    """Optical density -log((I + 1) / 256) (Beer-Lambert law), in which amounts of stain add up.

    Args:
        pixels: floats from 0 to 255, of any shape.
        log: base of the logarithm: `np.log10` as in pathology, `np.log` where it is inverted by `np.exp`.
    """
    return -log((pixels + 1) / 256)


def colour_features(pixels: np.ndarray) -> np.ndarray:
    """15 statistics of colour without any structure: mean, std and three percentiles of each channel's optical density.

    Args:
        pixels: (H, W, 3) uint8.
    """
    density = optical_density(pixels.reshape(-1, 3).astype(np.float32))
    return np.concatenate([density.mean(0), density.std(0), np.percentile(density, (10, 50, 90), axis=0).ravel()])


def restained(picture: Image.Image, haematoxylin: float, eosin: float) -> Image.Image:
    """Multiply the haematoxylin and the eosin of a picture (Ruifrok & Johnston 2001).

    Optical densities are split into the two stains by least squares; the residual is kept.

    Args:
        picture: RGB.
        haematoxylin, eosin: factors; 1 leaves the stain as it is.
    """
    density = optical_density(np.asarray(picture, np.float32), np.log)
    stains = np.stack([HAEMATOXYLIN / np.linalg.norm(HAEMATOXYLIN), EOSIN / np.linalg.norm(EOSIN)])
    amounts = density @ np.linalg.pinv(stains)
    changed = density + (amounts * np.array([haematoxylin - 1, eosin - 1], np.float32)) @ stains
    return Image.fromarray((256 * np.exp(-changed) - 1).round().clip(0, 255).astype(np.uint8))
