"""Convert a picture with an ICC profile to sRGB."""

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

__all__ = ["to_srgb"]

MOST_BYTES = 4_000_000  # of a profile
# Colour space of a profile's device -> modes of pictures that it describes.
SPACES = {"RGB ": ("RGB",), "GRAY": ("L",), "CMYK": ("CMYK",)}
STEPS = 9


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert an L, RGB or CMYK picture to sRGB by its profile, with perceptual intent.

    Returns:
        an RGB picture; the picture itself if the profile is sRGB to within 1 of 255, damaged, or of another colour
        space.
    """
    transform = _transform(profile, image.mode) if len(profile) <= MOST_BYTES else None
    return ImageCms.applyTransform(image, transform) or image if transform else image


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if mode not in SPACES.get(source.profile.xcolor_space, ()):
            return None
        target = ImageCms.createProfile("sRGB")
        found = ImageCms.buildTransform(source, target, mode, "RGB", ImageCms.Intent.PERCEPTUAL)
        probe = _probe(mode)
        seen = np.asarray(ImageCms.applyTransform(probe, found), int)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    unchanged = mode != "CMYK" and np.abs(seen - np.asarray(probe.convert("RGB"))).max() <= 1
    return None if unchanged else found


def _probe(mode: str) -> Image.Image:
    """A picture of colours all over the space."""
    axis = np.linspace(0, 255, STEPS).round().astype(np.uint8)
    if mode != "RGB":
        return Image.new(mode, (1, 1)) if mode == "CMYK" else Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    return Image.fromarray(np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(STEPS, -1, 3))
