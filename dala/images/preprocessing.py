"""Convert an RGB picture to the network's input: size, scale and normalisation."""

import re
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from dala.errors import DalaError

__all__ = ["ImageError", "Preprocessing", "fit", "fitted_size", "normalised", "to_tensor", "zoom_of", "zoomed"]

SCALE = re.compile(r"\s*(\d{1,6}(?:\.\d{1,6})?)\s*[xX]?\s*")
MIN_SIDE = 32
MAX_SIDE = 4096
MAX_AREA = 2048 * 2048  # of one input: about 700 MB of activations
# Slightly more than four, since sides are rounded to whole pixels.
MOST_AREAS = 4.04


class ImageError(DalaError):
    """A picture that cannot be used; the message is one sentence for the user."""


@dataclass(frozen=True)
class Preprocessing:
    """How a picture is converted to the network's input.

    A picture keeps its aspect ratio: it is scaled to the area of `height` x `width` pixels. So a patch of the training
    size is unchanged, and every picture takes the same time. A network that takes one size only needs `fixed`.

    Args:
        height, width: size of the pictures that the weights were trained on, in pixels.
        mean, std: per channel, for RGB in [0, 1].
        interpolation: a Pillow filter, "bicubic", "bilinear" or "lanczos".
        magnification: of the microscope, as the data set states it, or None.
        um_per_pixel: micrometres per pixel at the training size, as the data set states them, or None.
        enlargement: factor by which the data set's own pictures were enlarged to `height` x `width`.
        fixed: resize every picture to exactly `height` x `width`, whatever its aspect ratio.
    """

    height: int = 460
    width: int = 700
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bicubic"
    magnification: str | None = None
    um_per_pixel: float | None = None
    enlargement: float = 1.0
    fixed: bool = False

    def __post_init__(self) -> None:
        sides = (self.height, self.width)
        if not all(isinstance(s, int) and MIN_SIDE <= s <= MAX_SIDE for s in sides):
            raise ValueError(f"preprocessing wants a height and width of {MIN_SIDE} to {MAX_SIDE} px, not {sides}")
        if self.height * self.width > MAX_AREA:
            raise ValueError(f"preprocessing wants at most {MAX_AREA:,} pixels, not {self.height} x {self.width}")
        self._check_scale()
        if self.interpolation not in ("bicubic", "bilinear", "lanczos"):
            raise ValueError(f"preprocessing knows no interpolation named {self.interpolation!r}")
        if not isinstance(self.enlargement, int | float) or not 0.01 <= self.enlargement <= 100:
            raise ValueError(f"preprocessing wants an enlargement from 0.01 to 100, not {self.enlargement!r}")
        if not isinstance(self.fixed, bool):
            raise ValueError(f"preprocessing wants fixed to be true or false, not {self.fixed!r}")
        statistics = (*self.mean, *self.std)
        if len(self.mean) != 3 or len(self.std) != 3 or not all(isinstance(v, int | float) for v in statistics):
            raise ValueError("preprocessing wants three means and three standard deviations")
        if not all(abs(v) <= 10 for v in self.mean) or not all(0.001 <= v <= 10 for v in self.std):
            raise ValueError("preprocessing wants means from -10 to 10 and standard deviations from 0.001 to 10")

    def _check_scale(self) -> None:
        text, scale = self.magnification, self.um_per_pixel
        if text is not None and (not isinstance(text, str) or not text.isprintable() or len(text) > 100):
            raise ValueError(f"preprocessing wants a magnification such as '100X', not {str(text)[:100]!r}")
        number = isinstance(scale, int | float) and not isinstance(scale, bool)
        if scale is not None and not (number and 0.001 <= scale <= 1000):
            raise ValueError(f"preprocessing wants micrometres per pixel from 0.001 to 1000, not {scale!r}")

    @classmethod
    def of(cls, value: "Preprocessing | dict[str, Any] | None") -> "Preprocessing":
        """Build from the JSON of a config, whose unknown entries are refused; None gives the default."""
        if isinstance(value, cls):
            return value
        entries = dict(value or {})  # type: ignore[arg-type]
        unknown = sorted(set(entries) - {f.name for f in fields(cls)})
        if unknown:
            raise ValueError(f"preprocessing does not know {', '.join(unknown)}")
        for name in ("mean", "std"):
            if name in entries:
                entries[name] = tuple(entries[name])
        return cls(**entries)

    def to_json(self) -> dict[str, Any]:
        """Convert to plain JSON, the inverse of `of`; `fixed` only where it is set."""
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {k: v for k, v in values.items() if k != "fixed" or v}


def fitted_size(size: tuple[int, int], preprocessing: Preprocessing) -> tuple[int, int]:
    """Return (width, height) of a picture as network input: its aspect ratio, and the area of the training size.

    A size that was fitted before is unchanged: sides are whole pixels, and a difference due to rounding is ignored.
    """
    if preprocessing.fixed:
        return preprocessing.width, preprocessing.height
    width, height = size
    area = preprocessing.height * preprocessing.width
    if abs(width * height - area) <= (width + height) / 2 + 0.25:
        return size
    scale = max((area / (width * height)) ** 0.5, MIN_SIDE / min(width, height))
    return round(width * scale), round(height * scale)


def fit(picture: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """Resize a picture to `fitted_size`."""
    size = fitted_size(picture.size, preprocessing)
    return picture if size == picture.size else picture.resize(size, _filter(preprocessing))


def zoom_of(magnification: str | float, preprocessing: Preprocessing) -> float | None:
    """Return the factor that resizes a picture of a known scale to the scale that the network was trained on.

    Args:
        magnification: of the microscope, such as "40X" or "200X", as the data set states it; or micrometres per pixel.
        preprocessing: the network's.

    Returns:
        The factor; None if the network's scale is not known in these units.

    Raises:
        ImageError: not a scale, or one that would change the picture's size more than a hundredfold.
    """
    text = str(magnification).strip().upper()
    try:
        scale = float(text.removesuffix("X"))
    except ValueError:
        scale = 0.0
    if not 0 < scale < float("inf"):
        raise ImageError(f"A scale is a magnification such as 100X or a number of µm per pixel, not {magnification!r}.")
    p = preprocessing
    if text.endswith("X"):
        trained = SCALE.fullmatch(p.magnification or "")  # no match if the pictures had several
        factor = float(trained[1]) * p.enlargement / scale if trained else None
    else:
        factor = scale / p.um_per_pixel if p.um_per_pixel else None
    if factor and not 0.01 <= factor <= 100:
        raise ImageError(f"{magnification} is too far from the scale that the weights expect.")
    return factor


def zoomed(picture: Image.Image, zoom: float, preprocessing: Preprocessing) -> Image.Image:
    """Resize a picture by a factor, instead of to the training area as `fit` does.

    Raises:
        ImageError: the result would be too small, or have more than four times the training area; or the network takes
            another size only.
    """
    size = max(1, round(picture.width * zoom)), max(1, round(picture.height * zoom))
    only = preprocessing.width, preprocessing.height
    if preprocessing.fixed and size != only:
        raise ImageError(f"The network takes {only[0]}x{only[1]} px only, not {size[0]}x{size[1]}: leave out the zoom.")
    if min(size) < MIN_SIDE:
        raise ImageError(f"At the weights' scale this picture is {size[0]}x{size[1]} px, too little tissue to look at.")
    if size[0] * size[1] > MOST_AREAS * preprocessing.height * preprocessing.width:
        raise ImageError("At the weights' scale this picture is much larger than a patch: choose a part of it.")
    return picture if size == picture.size else picture.resize(size, _filter(preprocessing))


def normalised(picture: Image.Image, preprocessing: Preprocessing) -> Tensor:
    """RGB picture -> (1, 3, H, W) float32, normalised at its own size."""
    with torch.device("cpu"):  # whatever the caller's default is
        pixels = F.to_dtype(F.pil_to_tensor(picture), torch.float32, scale=True)
        return F.normalize(pixels, list(preprocessing.mean), list(preprocessing.std))[None]


def to_tensor(picture: Image.Image, preprocessing: Preprocessing) -> Tensor:
    """RGB picture -> (1, 3, H, W) float32, scaled by `fit` and normalised."""
    return normalised(fit(picture, preprocessing), preprocessing)


def _filter(preprocessing: Preprocessing) -> Image.Resampling:
    return Image.Resampling[preprocessing.interpolation.upper()]
