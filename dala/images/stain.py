"""Haematoxylin and eosin in optical density (Beer-Lambert): separate, change, summarise."""

import numpy as np
from PIL import Image

__all__ = ["EOSIN", "HAEMATOXYLIN", "colour_features", "restained"]


# Optical density of each stain in red, green and blue: Ruifrok & Johnston, "Quantification of
# histochemical staining by color deconvolution", Anal Quant Cytol Histol 23 (2001) 291-299.
HAEMATOXYLIN = np.array([0.650, 0.704, 0.286], dtype=np.float32)
EOSIN = np.array([0.072, 0.990, 0.105], dtype=np.float32)


def colour_features(pixels: np.ndarray) -> np.ndarray:
    """15 statistics of colour without any structure: mean, std and three percentiles of each channel's optical density.

    Optical density is -log10((I + 1) / 256) (Beer-Lambert), in which stain concentrations add up.

    Args:
        pixels: (H, W, 3) uint8.
    """
    density = -np.log10((pixels.reshape(-1, 3).astype(np.float32) + 1) / 256)
    return np.concatenate([density.mean(0), density.std(0), np.percentile(density, (10, 50, 90), axis=0).ravel()])


def restained(picture: Image.Image, haematoxylin: float, eosin: float) -> Image.Image:
    """A picture with its haematoxylin and eosin multiplied; what is neither stays (Ruifrok & Johnston 2001).

    Optical densities are split into the two stains by least squares; the residual is kept.
    """
    density = -np.log((np.asarray(picture, np.float32) + 1) / 256)
    stains = np.stack([HAEMATOXYLIN / np.linalg.norm(HAEMATOXYLIN), EOSIN / np.linalg.norm(EOSIN)])
    amounts = density @ np.linalg.pinv(stains)
    changed = density + (amounts * np.array([haematoxylin - 1, eosin - 1], np.float32)) @ stains
    return Image.fromarray((256 * np.exp(-changed) - 1).round().clip(0, 255).astype(np.uint8))
