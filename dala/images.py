"""The one place where a file becomes a picture, and a picture the network's input."""

import re
from dataclasses import asdict, dataclass, fields
from io import BytesIO, FileIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from dala import bombs
from dala.errors import DalaError

__all__ = [
    "ImageError",
    "Preprocessing",
    "Source",
    "fit",
    "fitted_size",
    "normalised",
    "read",
    "to_tensor",
    "zoom_of",
    "zoomed",
]

Source = str | Path | bytes | Image.Image | np.ndarray

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")
# Modes of one channel that Pillow would clip to 8 bits, and the TIFF tag that says black is the largest value.
SCALED = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
SCALE = re.compile(r"\s*(\d{1,6}(?:\.\d{1,6})?)\s*[xX]?\s*")
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# By Exif's orientation.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
Image.init()  # else a restriction to formats finds only those that Pillow registers by itself
MIN_SIDE = 32
MAX_SIDE = 4096
MAX_AREA = 2048 * 2048  # of what a network is given at once: some 700 MB on the way through it
MAX_PIXELS = 50_000_000
MAX_WEBP = 30_000_000  # its decoder keeps four bytes of a pixel four times
MAX_ASPECT = 8.0
# A little more than four: sides are rounded to whole pixels.
MOST_AREAS = 4.04


class ImageError(DalaError):
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
        enlargement: by how much the data set's own pictures were enlarged to `height` x `width`.
    """

    height: int = 460
    width: int = 700
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bicubic"
    magnification: str | None = None
    um_per_pixel: float | None = None
    enlargement: float = 1.0

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
        statistics = (*self.mean, *self.std)
        if len(self.mean) != 3 or len(self.std) != 3 or not all(isinstance(v, int | float) for v in statistics):
            raise ValueError("preprocessing wants three means and three standard deviations")
        if not all(abs(v) <= 10 for v in self.mean) or not all(0.001 <= v <= 10 for v in self.std):
            raise ValueError("preprocessing wants means from -10 to 10 and standard deviations from 0.001 to 10")

    def _check_scale(self) -> None:
        told, scale = self.magnification, self.um_per_pixel
        if told is not None and (not isinstance(told, str) or not told.isprintable() or len(told) > 100):
            raise ValueError(f"preprocessing wants a magnification such as '100X', not {str(told)[:100]!r}")
        number = isinstance(scale, int | float) and not isinstance(scale, bool)
        if scale is not None and not (number and 0.001 <= scale <= 1000):
            raise ValueError(f"preprocessing wants micrometres per pixel from 0.001 to 1000, not {scale!r}")

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

    EXIF orientation is applied and alpha is laid over white. Gray integers of more than 8 bits are divided by the
    smallest of 2^8-1, 2^10-1, 2^12-1, 2^14-1, 2^16-1 that holds the largest value; gray floats by 1, 255 or 65535
    likewise; what is negative or larger still is stretched from its minimum to its maximum. Of 16-bit colour, which
    Pillow reads by its high byte, a picture that leaves the upper two bits empty is refused.

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
    if isinstance(source, Image.Image):
        return _decoded(source)
    size = len(source) if isinstance(source, bytes) else _checked_path(Path(source))
    if size == 0:
        raise ImageError("The file is empty.")
    with bombs.Frugal(BytesIO(source) if isinstance(source, bytes) else FileIO(source)) as stream:
        image = _open(stream)
        stream.opened(size)
        return _decoded(image, stream)


def fitted_size(size: tuple[int, int], preprocessing: Preprocessing) -> tuple[int, int]:
    """(width, height) at which the network sees a picture of a size: same aspect ratio, the area of the training size.

    What has been fitted fits: sides are whole pixels, and what is as near as rounding allows is left alone.
    """
    width, height = size
    area = preprocessing.height * preprocessing.width
    if abs(width * height - area) <= (width + height) / 2 + 0.25:
        return size
    scale = max((area / (width * height)) ** 0.5, MIN_SIDE / min(width, height))
    return round(width * scale), round(height * scale)


def fit(picture: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """The picture at the size at which the network sees it; see `fitted_size`."""
    size = fitted_size(picture.size, preprocessing)
    return picture if size == picture.size else picture.resize(size, _filter(preprocessing))


def zoom_of(magnification: str | float, preprocessing: Preprocessing) -> float | None:
    """By how much to resize a picture of a known scale, so that the network sees tissue at the scale it was trained on.

    Args:
        magnification: of the microscope, "40X", "200X", ..., as the data set names them; or micrometres per pixel.
        preprocessing: the network's.

    Returns:
        the factor; None where the network does not tell the scale that it expects in these terms.

    Raises:
        ImageError: no such scale, or one so far off that the picture would shrink or grow a hundredfold.
    """
    text = str(magnification).strip().upper()
    try:
        given = float(text.removesuffix("X"))
    except ValueError:
        given = 0.0
    if not 0 < given < float("inf"):
        raise ImageError(f"A scale is a magnification such as 100X or a number of µm per pixel, not {magnification!r}.")
    p = preprocessing
    if text.endswith("X"):
        trained = SCALE.fullmatch(p.magnification or "")  # pictures of several scales tell none
        factor = float(trained[1]) * p.enlargement / given if trained else None
    else:
        factor = given / p.um_per_pixel if p.um_per_pixel else None
    if factor and not 0.01 <= factor <= 100:
        raise ImageError(f"{magnification} is too far from the scale that the weights expect.")
    return factor


def zoomed(picture: Image.Image, zoom: float, preprocessing: Preprocessing) -> Image.Image:
    """The picture resized by a factor, instead of to the training area as `fit` does.

    Raises:
        ImageError: too little would be left of it, or it would be more than four times what the network was trained on.
    """
    size = max(1, round(picture.width * zoom)), max(1, round(picture.height * zoom))
    if min(size) < MIN_SIDE:
        raise ImageError(f"At the weights' scale this picture is {size[0]}x{size[1]} px, too little tissue to look at.")
    if size[0] * size[1] > MOST_AREAS * preprocessing.height * preprocessing.width:
        raise ImageError("At the weights' scale this picture is much larger than a patch: choose a part of it.")
    return picture if size == picture.size else picture.resize(size, _filter(preprocessing))


def normalised(picture: Image.Image, preprocessing: Preprocessing) -> Tensor:
    """RGB picture -> (1, 3, H, W) float32, at the size that it has."""
    pixels = F.to_dtype(F.pil_to_tensor(picture), torch.float32, scale=True)
    return F.normalize(pixels, list(preprocessing.mean), list(preprocessing.std))[None]


def to_tensor(picture: Image.Image, preprocessing: Preprocessing) -> Tensor:
    """RGB picture -> (1, 3, H, W) float32, scaled by `fit` and normalised."""
    return normalised(fit(picture, preprocessing), preprocessing)


def _filter(preprocessing: Preprocessing) -> Image.Resampling:
    return Image.Resampling[preprocessing.interpolation.upper()]


def _open(stream: bombs.Frugal) -> Image.Image:
    start = stream.peek(4)[:4]
    try:
        if start in TIFFS:
            bombs.check_tags(stream)
        return bombs.Jpeg(stream) if start.startswith(b"\xff\xd8\xff") else Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError as error:
        kind = (
            "a kind of TIFF that is not read: save it with 8 or 16 bits" if start in TIFFS else f"not a picture: {USE}"
        )
        raise ImageError(f"This is {kind}.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(_TOO_LARGE) from error
    except bombs.BombError as error:
        raise ImageError(_BOMB) from error
    except Exception as error:  # a header that names a known format and is damaged raises whatever its plugin raises
        raise ImageError(_DAMAGED) from error


def _decoded(image: Image.Image, stream: bombs.Frugal | None = None) -> Image.Image:
    """From a stream, the image itself may be changed."""
    _check_size(*image.size, image.format)
    try:
        if stream and isinstance(image, bombs.Jpeg):
            bombs.check_scans(image.size, stream)
        high_byte_only = image.mode == "RGB" and ";16" in str(getattr(image, "tile", ""))
        inverted = image.mode in SCALED and getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO
        image.load()
        bombs.check_exif(image)
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
        picture = _to_rgb(image)
    except ImageError:
        raise
    except bombs.BombError as error:
        raise ImageError(_BOMB) from error
    # Decoders of six formats raise OSError, SyntaxError, struct.error, zlib.error, ... at damaged bytes.
    except Exception as error:
        raise ImageError(_DAMAGED) from error
    if high_byte_only and np.asarray(picture).max() < 64:
        raise ImageError("The picture uses a quarter or less of its 16 bits per channel: save it with 8 bits.")
    picture = picture if turn is None else picture.transpose(turn)
    return ImageOps.invert(picture) if inverted else picture


def _checked_path(path: Path) -> int:
    try:
        if path.is_file():
            with path.open("rb"):
                return path.stat().st_size
        what = "This is a folder, not a picture." if path.is_dir() else "There is no such file."
    # No permission, a name that is too long, a name with a zero byte.
    except (OSError, ValueError) as error:
        what = f"The file cannot be read: {getattr(error, 'strerror', None) or error}."
    raise ImageError(what)


USE = "use PNG, JPEG, TIFF, WebP, BMP or GIF"
_TOO_LARGE = f"The picture has more than {MAX_PIXELS // 1_000_000} megapixels: crop the region of interest first."
_DAMAGED = "The picture is damaged or incomplete: save it again and retry."
_BOMB = "The picture is built in a way that would take too long to read: save it again and retry."


def _check_size(width: int, height: int, kind: str | None = None) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(_TOO_LARGE)
    if kind == "WEBP" and width * height > MAX_WEBP:
        raise ImageError(f"A WebP may have {MAX_WEBP // 1_000_000} megapixels: save it as PNG or TIFF and retry.")
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"The picture is {width}x{height} px, too small: it needs at least {MIN_SIDE} px a side.")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(f"The picture is {width}x{height} px, too long and thin: crop it to at most {MAX_ASPECT:g}:1.")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in SCALED:
        image = Image.fromarray(_to_8_bit(np.asarray(image)))
    if image.has_transparency_data or image.mode in ("LA", "PA", "RGBa"):
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image)
        return white
    image = image.convert("RGB")
    # Pixels alone: names of patients and colour profiles travel in a file's metadata.
    image.info = {}
    return image


def _to_8_bit(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise ImageError("The picture holds values that are not finite numbers.")
    ranges = (1, 255, 65535) if values.dtype.kind == "f" else [2**bits - 1 for bits in (8, 10, 12, 14, 16)]
    low, high = next(((0.0, float(top)) for top in ranges if low >= 0 and high <= top), (low, high))
    bands = [_scaled(band, low, high) for band in np.array_split(values, max(1, values.size >> 20))]
    return np.concatenate(bands)


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.rint((values.astype(np.float32) - low) * (255 / ((high - low) or 1))).astype(np.uint8)
