"""Read hostile bytes as an 8-bit RGB picture: the one place where user files are decoded."""

from io import BytesIO, FileIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from dala.images import limits
from dala.images.preprocessing import MIN_SIDE, ImageError

__all__ = ["SUFFIXES", "Source", "pictures", "read"]

Source = str | Path | bytes | Image.Image | np.ndarray
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")
# Single-channel modes that Pillow would clip to 8 bits, and the TIFF tag of images whose zero is white.
SCALED = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
Image.init()  # otherwise `formats=` knows only what Pillow registers on import
MAX_PIXELS = 50_000_000
MAX_WEBP = 30_000_000  # its decoder holds 16 bytes per pixel
MAX_ASPECT = 8.0
# What `pictures` lists.
SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}
USE = "use PNG, JPEG, TIFF, WebP, BMP or GIF"
_TOO_LARGE = f"The picture has more than {MAX_PIXELS // 1_000_000} megapixels: crop the region of interest first."
_DAMAGED = "The picture is damaged or incomplete: save it again and retry."
_BOMB = "The picture is built in a way that would take too long to read: save it again and retry."


def read(source: Source) -> Image.Image:
    """Read a PNG, JPEG, TIFF, WebP, BMP or GIF (first frame) as an 8-bit RGB picture.

    Exif orientation is applied and alpha is composited over white. Gray integers of more than 8 bits are divided by the
    smallest of 2^8-1, 2^10-1, 2^12-1, 2^14-1, 2^16-1 that holds the largest value; gray floats by the
    smallest of 1, 255, 65535 that does; negative or larger values are stretched from minimum to maximum. 16-bit colour,
    of which Pillow reads the high byte, is refused if its upper two bits are empty.

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
    with limits.BoundedReader(BytesIO(source) if isinstance(source, bytes) else FileIO(source)) as stream:
        image = _open(stream)
        stream.opened(size)
        return _decoded(image, stream)


def _open(stream: limits.BoundedReader) -> Image.Image:
    start = stream.peek(4)[:4]
    try:
        if start in TIFFS:
            limits.check_tags(stream)
        return limits.Jpeg(stream) if start.startswith(b"\xff\xd8\xff") else Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError as error:
        kind = (
            "a kind of TIFF that is not read: save it with 8 or 16 bits" if start in TIFFS else f"not a picture: {USE}"
        )
        raise ImageError(f"This is {kind}.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(_TOO_LARGE) from error
    except limits.BombError as error:
        raise ImageError(_BOMB) from error
    except Exception as error:  # a damaged header raises whatever its plugin raises
        raise ImageError(_DAMAGED) from error


def _decoded(image: Image.Image, stream: limits.BoundedReader | None = None) -> Image.Image:
    _check_size(*image.size, image.format)
    try:
        if stream and isinstance(image, limits.Jpeg):
            limits.check_scans(image.size, stream)
        high_byte_only = image.mode == "RGB" and ";16" in str(getattr(image, "tile", ""))
        inverted = image.mode in SCALED and getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO
        image.load()
        limits.check_exif(image)
        turn = image.getexif().get(ExifTags.Base.Orientation)
        picture = _to_rgb(image)
    except ImageError:
        raise
    except limits.BombError as error:
        raise ImageError(_BOMB) from error
    # Decoders of six formats raise OSError, SyntaxError, struct.error, zlib.error, ... on damaged bytes.
    except Exception as error:
        raise ImageError(_DAMAGED) from error
    if high_byte_only and np.asarray(picture).max() < 64:
        raise ImageError("The picture uses a quarter or less of its 16 bits per channel: save it with 8 bits.")
    picture = _upright(picture, turn)
    return ImageOps.invert(picture) if inverted else picture


def _upright(picture: Image.Image, orientation: int | None) -> Image.Image:
    if orientation is not None:
        picture.getexif()[ExifTags.Base.Orientation] = orientation
        ImageOps.exif_transpose(picture, in_place=True)
        picture.info = {}
    return picture


def _checked_path(path: Path) -> int:
    try:
        if path.is_file():
            with path.open("rb"):
                return path.stat().st_size
        what = "This is a folder, not a picture." if path.is_dir() else "There is no such file."
    # No permission, a name that is too long, or one with a zero byte.
    except (OSError, ValueError) as error:
        what = f"The file cannot be read: {getattr(error, 'strerror', None) or error}."
    raise ImageError(what)


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
    # Metadata may hold names of patients.
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


def pictures(root: Path) -> list[Path]:
    """List the picture files in and below a folder, sorted by path; hidden files and `__MACOSX` are skipped."""
    return sorted(
        p
        for p in root.rglob("*")
        if p.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") or part == "__MACOSX" for part in p.relative_to(root).parts)
        and p.is_file()
    )
