"""The one place where a file becomes a picture, and a picture the network's input."""

from dataclasses import asdict, dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2 import functional as F

__all__ = ["ImageError", "Preprocessing", "Source", "fit", "read", "to_tensor"]

Source = str | Path | bytes | Image.Image | np.ndarray

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")
Image.init()  # else a restriction to formats finds only those that Pillow registers by itself
MIN_SIDE = 32
MAX_PIXELS = 50_000_000
MAX_ASPECT = 8.0


class ImageError(ValueError):
    """A picture that cannot be used; the message is one sentence for the person who gave it."""


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes the network's input.

    A picture keeps its aspect ratio: it is scaled until it has the area of `height` x `width` pixels. So a patch of the
    training size enters untouched, and every picture costs the same.

    Args:
        height, width: the size of the pictures that the weights were trained on, in pixels.
        mean, std: per channel, for RGB in [0, 1].
        interpolation: a Pillow filter, "bicubic", "bilinear" or "lanczos".
        magnification: the microscope's magnification as the data set names it, or None.
        um_per_pixel: micrometres per pixel at the training size as the data set states it, or None.
    """

    height: int = 460
    width: int = 700
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bicubic"
    magnification: str | None = None
    um_per_pixel: float | None = None

    def __post_init__(self) -> None:
        if self.height < MIN_SIDE or self.width < MIN_SIDE:
            raise ValueError(f"preprocessing wants a height and width of at least {MIN_SIDE} px")
        if self.interpolation not in ("bicubic", "bilinear", "lanczos"):
            raise ValueError(f"preprocessing knows no interpolation named {self.interpolation!r}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError("preprocessing wants three means and three positive standard deviations")

    @classmethod
    def of(cls, value: "Preprocessing | dict[str, Any] | None") -> "Preprocessing":
        """From itself, from the JSON of a config (unknown entries refused), or the default for None."""
        if isinstance(value, cls):
            return value
        given = dict(value or {})  # type: ignore[arg-type]
        unknown = sorted(set(given) - {f.name for f in fields(cls)})
        if unknown:
            raise ValueError(f"preprocessing does not know {', '.join(unknown)}")
        for name in ("mean", "std"):
            if name in given:
                given[name] = tuple(given[name])
        return cls(**given)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the inverse of `of`."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def read(source: Source) -> Image.Image:
    """Any PNG, JPEG, TIFF, WebP, BMP or GIF (first frame) as an 8-bit RGB picture.

    EXIF orientation is applied and alpha is laid over white. Integers of more than 8 bits are divided by the smallest
    of 2^8-1, 2^10-1, 2^12-1, 2^14-1, 2^16-1 that holds the largest value; floats by 1, 255 or 65535 likewise; what is
    negative or larger still is stretched from its minimum to its maximum.

    Args:
        source: a path, the bytes of a file, a PIL image, or an (H, W, 3) uint8 array.

    Raises:
        ImageError: not a picture, damaged, empty, under 32 px a side, over 50 megapixels, or longer than 8:1.
    """
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3:
            raise ImageError(f"An array must be (height, width, 3) of uint8, not {source.shape} of {source.dtype}.")
        _check_size(source.shape[1], source.shape[0])
        source = Image.fromarray(source)
    image = source if isinstance(source, Image.Image) else _open(source)
    _check_size(*image.size)
    try:
        image.load()
        return _to_rgb(ImageOps.exif_transpose(image))
    except ImageError:
        raise
    # Decoders of seven formats raise OSError, SyntaxError, struct.error, zlib.error, ... at damaged bytes.
    except Exception as error:
        raise ImageError("The picture is damaged or incomplete: save it again and retry.") from error


def fit(picture: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """The picture at the size at which the network sees it: same aspect ratio, the area of the training size."""
    width, height = picture.size
    scale = (preprocessing.height * preprocessing.width / (width * height)) ** 0.5
    size = (max(MIN_SIDE, round(width * scale)), max(MIN_SIDE, round(height * scale)))
    if size == picture.size:
        return picture
    return picture.resize(size, Image.Resampling[preprocessing.interpolation.upper()])


def to_tensor(picture: Image.Image, preprocessing: Preprocessing) -> Tensor:
    """RGB picture -> (1, 3, H, W) float32, scaled by `fit` and normalised."""
    pixels = F.to_dtype(F.pil_to_tensor(fit(picture, preprocessing)), torch.float32, scale=True)
    return F.normalize(pixels, list(preprocessing.mean), list(preprocessing.std))[None]


def _open(source: str | Path | bytes) -> Image.Image:
    if isinstance(source, bytes):
        size, stream = len(source), BytesIO(source)
    else:
        path = Path(source)
        if not path.is_file():
            raise ImageError("There is no such file." if not path.exists() else "This is a folder, not a picture.")
        size, stream = path.stat().st_size, path  # type: ignore[assignment]
    if size == 0:
        raise ImageError("The file is empty.")
    try:
        return Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ImageError("This is not a picture: use PNG, JPEG, TIFF, WebP, BMP or GIF.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(_TOO_LARGE) from error
    except PermissionError as error:
        raise ImageError("The file cannot be read: its permissions forbid it.") from error
    except Exception as error:  # a header that names a known format and is damaged raises whatever its plugin raises
        raise ImageError("The picture is damaged or incomplete: save it again and retry.") from error


_TOO_LARGE = f"The picture has more than {MAX_PIXELS // 1_000_000} megapixels: crop the region of interest first."


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(_TOO_LARGE)
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"The picture is {width}x{height} px, too small: it needs at least {MIN_SIDE} px a side.")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(f"The picture is {width}x{height} px, too long and thin: crop it to at most {MAX_ASPECT:g}:1.")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = Image.fromarray(_to_8_bit(np.asarray(image)))
    if image.has_transparency_data or image.mode in ("LA", "PA", "RGBa"):
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    # A copy, never the caller's own object, without the file's metadata.
    return image.convert("RGB") if image.mode != "RGB" else Image.frombytes("RGB", image.size, image.tobytes())


def _to_8_bit(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise ImageError("The picture holds values that are not finite numbers.")
    ranges = (1, 255, 65535) if values.dtype.kind == "f" else [2**bits - 1 for bits in (8, 10, 12, 14, 16)]
    low, high = next(((0.0, float(top)) for top in ranges if low >= 0 and high <= top), (low, high))
    return np.rint((values.astype(np.float32) - low) * (255 / ((high - low) or 1))).astype(np.uint8)
