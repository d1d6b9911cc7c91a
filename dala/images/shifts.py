"""Acquisition shifts: what another laboratory's staining, optics and files do to a picture of the same tissue.

Each is deterministic and keeps the picture's size, so that the shifted pictures are scored like the plain ones.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageFilter
from torchvision.transforms.v2 import functional as F

from dala.images.stain import restained

__all__ = ["SHIFTS", "Shift"]

HAEMATOXYLIN, EOSIN = 1.3, 0.7
RADIUS, QUALITY = 1.0, 40
SHARPENING = ImageFilter.UnsharpMask(radius=2, percent=150, threshold=0)


@dataclass(frozen=True)
class Shift:
    """A change of the acquisition.

    Attributes:
        label: its name in tables.
        apply: RGB picture -> the shifted picture, of the same size.
    """

    label: str
    apply: Callable[[Image.Image], Image.Image]


def _restained(picture: Image.Image) -> Image.Image:
    return restained(picture, HAEMATOXYLIN, EOSIN)


def _smaller(picture: Image.Image) -> Image.Image:
    """The tissue at 0.7 times its size; the frame is filled with its mirror image."""
    width, height = picture.size
    small = picture.resize((round(0.7 * width), round(0.7 * height)), Image.Resampling.BICUBIC)
    left, top = (width - small.width) // 2, (height - small.height) // 2
    margins = [left, top, width - small.width - left, height - small.height - top]
    shifted: Image.Image = F.pad(small, margins, padding_mode="symmetric")
    return shifted


def _larger(picture: Image.Image) -> Image.Image:
    """The middle of the tissue at 1.3 times its size."""
    width, height = picture.size
    part = F.center_crop(picture, [round(height / 1.3), round(width / 1.3)])
    return part.resize((width, height), Image.Resampling.BICUBIC)


def _blurred(picture: Image.Image) -> Image.Image:
    """Slightly out of focus, then compressed."""
    stream = io.BytesIO()
    picture.filter(ImageFilter.GaussianBlur(RADIUS)).save(stream, "JPEG", quality=QUALITY)
    return Image.open(stream).convert("RGB")


def _sharpened(picture: Image.Image) -> Image.Image:
    return picture.filter(SHARPENING)


SHIFTS: dict[str, Shift] = {
    "stain": Shift("haematoxylin × 1.3, eosin × 0.7", _restained),
    "smaller": Shift("scale × 0.7", _smaller),
    "larger": Shift("scale × 1.3", _larger),
    "blur": Shift("blur of 1 px, JPEG 40", _blurred),
    "sharpening": Shift("sharpening", _sharpened),
}
