"""Read hostile bytes as an 8-bit RGB picture: the one place where user files are decoded."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, FileIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile

from dala.images import avif, bmp, colour, depth, formats, jpeg, jpeg2000, limits, tiff
from dala.images.formats import SUFFIXES, pictures
from dala.images.preprocessing import ImageError

__all__ = ["SUFFIXES", "Source", "pictures", "read"]

Source = str | Path | bytes | Image.Image | np.ndarray
# Single-channel modes that Pillow would clip to 8 bits.
SCALED = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
HEAD = 512
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
KEYS = {"'1'": 255, "L;2": 85, "L;4": 17}
_DAMAGED = "The picture is damaged or incomplete: save it again and retry."
_BOMB = "The picture is built in a way that would take too long to read: save it again and retry."


def read(source: Source) -> Image.Image:
    """Read a PNG, JPEG, TIFF, WebP, BMP, GIF, JPEG 2000 or AVIF as an 8-bit RGB picture.

    Of animations the first frame is read, of a TIFF the largest page that is no label, mask or reduced copy. Exif
    orientation is applied, colours are converted to sRGB if there is an ICC profile, and alpha is composited over
    white. Gray integers of more than 8 bits are divided by the smallest of 2^8-1, 2^10-1, 2^12-1, 2^14-1, 2^16-1 that
    holds the largest value; gray floats by the smallest of 1, 255, 65535 that does; negative or larger values are
    stretched from minimum to maximum. Of 16-bit colour the high byte is read; it is refused if its upper two bits are
    empty.

    Args:
        source: a path, the bytes of a file, a PIL image, or an (H, W, 3) uint8 array.

    Raises:
        ImageError: not a picture, one in a format, compression or layout that is not read (by name), damaged, empty,
            under 32 px a side, over 50 megapixels, or longer than 8:1.
    """
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3:
            raise ImageError(f"An array must be (height, width, 3) of uint8, not {source.shape} of {source.dtype}.")
        limits.check_size(source.shape[1], source.shape[0])
        source = Image.fromarray(source)
    if isinstance(source, ImageFile) and (content := _not_loaded(source)):
        source = content
    if isinstance(source, Image.Image):
        limits.check_size(*source.size)
        with _sentences():
            return _loaded(source)
    size = len(source) if isinstance(source, bytes) else _checked_path(Path(source))
    if size == 0:
        raise ImageError("The file is empty.")
    with limits.BoundedReader(BytesIO(source) if isinstance(source, bytes) else FileIO(source)) as stream, _sentences():
        name = formats.format_of(stream.peek(HEAD)[:HEAD])
        if name != "TIFF":
            return _from(name, stream, size)
        stream.opened(size)
        image, turn = tiff.read(stream)
        return _upright(_to_rgb(image), turn)


@contextmanager
def _sentences() -> Iterator[None]:
    try:
        yield
    except ImageError:
        raise
    except limits.BombError as error:
        raise ImageError(_BOMB) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(limits.TOO_LARGE) from error
    # Decoders of eight formats raise OSError, SyntaxError, struct.error, zlib.error, ... on damaged bytes.
    except Exception as error:
        raise ImageError(_DAMAGED) from error


def _from(name: str, stream: limits.BoundedReader, size: int) -> Image.Image:
    """The picture in a file that is no TIFF."""
    profile = b""
    if name == "JPEG 2000":
        found = jpeg2000.components(stream)
        limits.check_size(*found.size, name)
        jpeg2000.check(found)
        profile = found.profile
    if name == "AVIF":
        avif.check(stream)
    image = _opened(name, stream)
    limits.check_size(*image.size, name)
    stream.opened(size)
    if isinstance(image, limits.Jpeg):
        limits.check_scans(image.size, stream)
    if isinstance(image, BmpImageFile):
        return _bmp(image, stream)
    if profile:
        image.info["icc_profile"] = profile
    return _loaded(image)


def _opened(name: str, stream: limits.BoundedReader) -> Image.Image:
    try:
        return _jpeg(stream) if name == "JPEG" else Image.open(stream, formats=(formats.plugin(name),))
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ImageError(
            f"This {name} is damaged, or of a kind that is not read: save it again, as PNG or TIFF."
        ) from error


def _jpeg(stream: limits.BoundedReader) -> limits.Jpeg:
    try:
        return limits.Jpeg(stream)
    except limits.BombError:
        raise
    except Exception as error:  # Pillow fails on metadata as well
        if kind := jpeg.kind(stream):
            raise ImageError(f"This JPEG is {kind}, which is not read: save it as PNG or TIFF.") from error
        bare = limits.BoundedReader(BytesIO(jpeg.bare(stream)))
        return limits.Jpeg(bare)


def _bmp(image: BmpImageFile, stream: limits.BoundedReader) -> Image.Image:
    if bmp.is_run_length(image):
        stream.seek(0)
        return _to_rgb(bmp.run_lengths(image, stream.read()))
    image.load()
    # Writers that know no opacity leave it zero.
    clear = image.mode == "RGBA" and image.getchannel("A").getextrema()[1] == 0
    return _to_rgb(image.convert("RGB") if clear else image)


def _loaded(image: Image.Image) -> Image.Image:
    """The RGB picture of an image that Pillow decodes as it is."""
    tile = str(getattr(image, "tile", ""))
    high_byte = ";16" in tile and image.mode in ("RGB", "RGBA", "LA", "CMYK")
    image.load()
    if isinstance(key := image.info.get("transparency"), int):
        # Pillow scales grey of 1, 2 and 4 bits to 8, but not the value that is transparent.
        image.info["transparency"] = key * next((by for kind, by in KEYS.items() if kind in tile), 1)
    limits.check_exif(image)
    if high_byte:
        if image.mode == "RGB" and "transparency" in image.info:
            raise ImageError("This PNG has a transparent colour of 16 bits, which is not read: save it with 8 bits.")
        bands = np.asarray(image)
        opacity = image.mode.endswith("A")
        depth.check_used(bands[..., :-1] if opacity else bands, bands[..., -1] if opacity else None)
    return _upright(_to_rgb(image), _orientation(image))


def _not_loaded(image: ImageFile) -> bytes | None:
    """The file behind an image that Pillow has opened but not decoded, in formats that it reads wrongly at times."""
    if image.format not in ("TIFF", "BMP", "JPEG2000") or not image.tile or image.tell() or image.fp is None:
        return None
    place = image.fp.tell()
    image.fp.seek(0)
    content = image.fp.read()
    image.fp.seek(place)
    return content


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # Exif tags that are broken say nothing about the pixels
        return None


def _upright(picture: Image.Image, orientation: object) -> Image.Image:
    turn = TURNS.get(orientation) if isinstance(orientation, int) else None
    return picture if turn is None else picture.transpose(turn)


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


def _to_rgb(image: Image.Image) -> Image.Image:
    profile, key = image.info.get("icc_profile"), image.info.get("transparency")
    if image.mode in SCALED:
        values = np.asarray(image)
        image = Image.fromarray(depth.grey(values))
        if isinstance(key, int):
            image.putalpha(Image.fromarray(np.where(values == key, np.uint8(0), np.uint8(255))))
    if image.has_transparency_data or image.mode in ("LA", "La", "PA", "RGBa"):
        return _over_white(image, profile)
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    picture = _srgb(image, profile).convert("RGB")
    # Metadata may hold names of patients.
    picture.info = {}
    return picture


def _over_white(image: Image.Image, profile: object) -> Image.Image:
    alpha = None
    if isinstance(profile, bytes) and profile:
        alpha = image.convert("LA" if image.mode in ("LA", "La") else "RGBA")
        image = _srgb(alpha.convert("L" if alpha.mode == "LA" else "RGB"), profile)
    elif image.mode != "RGBA":
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    white = Image.new("RGB", image.size, "white")
    if image.mode == "LA":
        image = image.convert("RGBA")
    white.paste(image, mask=alpha or image)
    return white


def _srgb(image: Image.Image, profile: object) -> Image.Image:
    return colour.to_srgb(image, profile) if isinstance(profile, bytes) and profile else image
