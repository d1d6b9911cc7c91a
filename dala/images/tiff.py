"""Decode the page of a TIFF that is the picture. What its tags say is decided before a pixel is decoded."""

import numpy as np
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from dala.images import depth, limits, tiff_layout, tiff_pages, tiff_pixels
from dala.images import tiff_tags as tags
from dala.images.preprocessing import ImageError
from dala.images.tiff_layout import ALPHA, ASSOCIATED, BLACK_IS_ZERO, CMYK, COMMON, RGB, WHITE_IS_ZERO, Layout
from dala.images.tiff_tags import Page

__all__ = ["read"]

UNNAMED = (
    "This TIFF has a fourth channel beside red, green and blue, and does not say whether it is opacity: save it as RGB."
)


class Tiff(TiffImageFile):
    """A TIFF as Pillow decodes it, without its orientation and Exif tags.

    Overrides hooks of Pillow's `TiffImageFile`; `tests/images/test_reading.py` fails if they are gone.
    """

    def load_end(self) -> None:
        """Keep the pixels as they are stored."""
        self._size = self.im.size


def read(stream: limits.BoundedReader) -> tuple[Image.Image, int]:
    """Decode the largest page that is no label, mask or reduced copy, or three pages that are red, green and blue.

    Args:
        stream: the whole file.

    Returns:
        a picture of 8 bits a channel, as stored, with its colour profile; and its orientation as Exif counts it.

    Raises:
        ImageError: a layout, compression or kind of colour that is not read, by name; no page that is the picture.
        BombError: tags that cost more than they explain.
        Exception: whatever Pillow raises for damaged data.
    """
    try:
        chosen = tiff_pages.chosen(tags.pages(stream))
    except tags.ManyPagesError as error:
        raise ImageError(
            f"This TIFF has more than {tags.MOST_PAGES} pages or {tags.MOST_TAGS:,} tags: save the page of interest."
        ) from error
    for page in chosen:
        limits.check_size(*page.size)
        limits.check_entries(page)
    if len(chosen) == 1:
        picture = _picture(chosen[0], stream)
    else:
        picture = Image.fromarray(depth.grey(np.stack([_channel(page, stream) for page in chosen], -1)))
    if profile := chosen[0].content(tags.PROFILE):
        picture.info["icc_profile"] = profile
    return picture, chosen[0].number(tags.ORIENTATION, 1)


def _picture(page: Page, stream: limits.BoundedReader) -> Image.Image:
    found = tiff_layout.layout(page)
    if found.single:
        grey = Image.fromarray(depth.grey(_values(page, found, stream)))
        return ImageOps.invert(grey) if found.photometric == WHITE_IS_ZERO and (found.raw or found.bits > 8) else grey
    if found.raw:
        return _coloured(tiff_pixels.samples(page, found), found)
    image = _by_pillow(page, found, stream)
    if found.bits == 16:
        bands = np.asarray(image)
        depth.check_used(bands[..., : found.own], bands[..., 3] if image.mode == "RGBA" else None)
    if found.unnamed:
        _check_opaque(np.asarray(image.getchannel("A")))
        image = image.convert("RGB")
    return image


def _channel(page: Page, stream: limits.BoundedReader) -> np.ndarray:
    """The values of one of three grey pages that are the channels of a picture."""
    found = tiff_layout.layout(page)
    if not found.single or found.photometric != BLACK_IS_ZERO:
        raise ImageError(f"The channels of this TIFF are of a kind that is not merged ({found}): save it as RGB.")
    return _values(page, found, stream)


def _values(page: Page, found: Layout, stream: limits.BoundedReader) -> np.ndarray:
    """Grey values (height, width) of any type; of up to 8 bits black is zero."""
    if found.raw:
        return tiff_pixels.samples(page, found)[..., 0]
    image = _by_pillow(page, found, stream)
    values = np.asarray(image.convert("L") if image.mode == "1" else image)
    # Pillow takes signed bytes for unsigned ones, and unsigned numbers of 32 bits for signed ones.
    return values.view(np.dtype(f"{found.kind}{found.bits // 8}")) if found.bits in (8, 32) else values


def _coloured(samples: np.ndarray, found: Layout) -> Image.Image:
    """A picture of samples (height, width, channels) of 8 or 16 bits, which Pillow would read wrongly."""
    if found.bits == 16:
        samples = depth.high_byte(samples)
    colours = samples[..., : found.own]
    opacity = next((i for i, kind in enumerate(found.extra, found.own) if kind in (ASSOCIATED, ALPHA)), None)
    if found.bits == 16:
        depth.check_used(colours, None if opacity is None else samples[..., opacity])
    if found.unnamed:
        _check_opaque(samples[..., 3])
    mode = {RGB: "RGB", CMYK: "CMYK"}.get(found.photometric, "L")
    if found.photometric == WHITE_IS_ZERO:
        colours = 255 - colours
    if opacity is not None:
        mode += "a" if found.extra[opacity - found.own] == ASSOCIATED else "A"
        colours = np.concatenate([colours, samples[..., opacity : opacity + 1]], -1)
    return Image.frombytes(mode, samples.shape[1::-1], np.ascontiguousarray(colours).tobytes())


def _by_pillow(page: Page, found: Layout, stream: limits.BoundedReader) -> Image.Image:
    stream.start_as(tags.same_start(page))
    image = Tiff(stream)
    try:
        image.load()
    except Exception as error:
        if found.compression not in COMMON:
            raise ImageError(tiff_layout.unread(found.compression)) from error
        raise
    return image


def _check_opaque(channel: np.ndarray) -> None:
    if channel.min() < 255:
        raise ImageError(UNNAMED)
