"""PNG, JPEG, BMP, GIF, WebP, JPEG 2000 and AVIF: read as other decoders read them, or refused by name."""

import io
import struct
import zlib
from collections.abc import Iterable

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageOps

from dala.images import formats, reading
from tests.fuzz.hard import chunk, encode
from tests.images.test_tiff_matrix import MOST, outcome, packed, right
from tests.support.tiffs import GREY, HEIGHT, RGB, WIDTH

PICTURE = Image.fromarray(RGB)
ALPHA = np.tile(np.linspace(0, 255, WIDTH).round().astype(np.uint8), (HEIGHT, 1))
RGB16 = RGB.astype(np.uint16) << 8 | np.random.default_rng(0).integers(0, 256, RGB.shape).astype(np.uint16)
GREY16 = RGB16[..., 1]
QUARTER = "The picture uses a quarter or less of its 16 bits per channel: save it with 8 bits."


def spread(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey.astype(float)[..., None], 3, 2)


def over_white(colours: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    return colours * opacity[..., None] + 255.0 * (1 - opacity[..., None])


def by_opencv(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(float)


def png(bits: int, colours: int, rows: Iterable[bytes], more: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">LLBBBBB", WIDTH, HEIGHT, bits, colours, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + more + pixels + chunk(b"IEND", b"")


def rows(array: np.ndarray) -> list[bytes]:
    return [row.astype(f">u{array.itemsize}").tobytes() for row in array]


def nibbles(values: np.ndarray, bits: int) -> list[bytes]:
    return [packed(row[None], bits) for row in values]


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_png_of_grey_with_and_without_a_transparent_value(bits):
    values = GREY16 >> (16 - bits)
    content = nibbles(values, bits) if bits < 8 else rows(values.astype(np.uint8 if bits == 8 else np.uint16))
    expected = spread(values / (2**bits - 1) * 255)
    assert right(png(bits, 0, content), expected)
    for key in (values.min(), values.max()):
        clear = chunk(b"tRNS", struct.pack(">H", key))
        assert right(png(bits, 0, content, clear), over_white(expected, values != key))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_png_of_a_palette(bits):
    values, rng = GREY >> (8 - bits), np.random.default_rng(0)
    palette, opacity = rng.integers(0, 256, (2**bits, 3)), rng.integers(0, 256, 2**bits)
    colours = chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    clear = chunk(b"tRNS", opacity.astype(np.uint8).tobytes())
    assert right(png(bits, 3, nibbles(values, bits), colours), palette[values].astype(float))
    expected = over_white(palette[values], opacity[values] / 255)
    assert right(png(bits, 3, nibbles(values, bits), colours + clear), expected)


@pytest.mark.parametrize("bits", [8, 16])
def test_png_of_colour_and_alpha(bits):
    colour, unit = (RGB16, 257) if bits == 16 else (RGB, 1)
    grey, alpha = colour[..., 1], (ALPHA.astype(colour.dtype) * unit)
    assert right(png(bits, 2, rows(colour)), colour / unit)
    assert right(png(bits, 6, rows(np.dstack([colour, alpha]))), over_white(colour / unit, ALPHA / 255))
    assert right(png(bits, 4, rows(np.dstack([grey, alpha]))), over_white(spread(grey / unit), ALPHA / 255))


def test_png_of_12_bits_in_16_and_a_transparent_colour_of_16_bits():
    alpha = ALPHA.astype(np.uint16) * 257
    for kind, array in ((2, RGB16), (6, np.dstack([RGB16, alpha])), (4, np.dstack([GREY16, alpha]))):
        assert outcome(png(16, kind, rows(array >> 4))) == QUARTER
    clear = chunk(b"tRNS", RGB16[0, 0].astype(">u2").tobytes())
    assert "a transparent colour of 16 bits" in outcome(png(16, 2, rows(RGB16), clear))
    clear = chunk(b"tRNS", RGB[0, 0].astype(">u2").tobytes())
    assert right(png(8, 2, rows(RGB), clear), over_white(RGB, np.any(RGB[0, 0] != RGB, -1)))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 1}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg(mode, options):
    content = encode(PICTURE.convert(mode), "JPEG", quality=90, **options)
    assert right(content, by_opencv(content))


@pytest.mark.parametrize("stored", ["CMYK", "YCCK"])
def test_jpeg_of_ink(stored):
    ink = np.dstack([255 - RGB, GREY // 8])
    content = imagecodecs.jpeg8_encode(ink, level=95, colorspace="CMYK", outcolorspace=stored, subsampling="444")
    assert right(content, by_opencv(content))


def test_jpeg_of_other_kinds_is_read_or_named():
    stored = imagecodecs.jpeg8_encode(RGB, level=98, outcolorspace="RGB")
    assert right(stored, imagecodecs.jpeg8_decode(stored).astype(float))
    lossless = outcome(imagecodecs.jpeg8_encode(RGB, lossless=True))  # the libjpeg-turbo of some Pillows reads it
    assert "is lossless" in lossless if isinstance(lossless, str) else np.abs(lossless - RGB).max() <= MOST
    twelve = imagecodecs.jpeg_encode(RGB16 >> 4, level=95, bitspersample=12)
    assert outcome(twelve) == "This JPEG is 12-bit, which is not read: save it as PNG or TIFF."
    assert (
        outcome(imagecodecs.jpegls_encode(GREY)) == "This JPEG is JPEG-LS, which is not read: save it as PNG or TIFF."
    )


JPEG = encode(PICTURE, "JPEG", quality=95)
BROKEN = {
    "Exif of another order": (0xE1, b"Exif\0\0\xff\xff\xff\xff\0\0\0\x08"),
    "Exif of nothing": (0xE1, b"Exif\0\0"),
    "Exif of a head": (0xE1, b"Exif\0\0II*\0"),
    "Exif that points outside": (0xE1, b"Exif\0\0II*\0\xff\xff\0\0"),
    "Exif cut off": (0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\1\2\0"),
    "a text as orientation": (0xE1, b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\2\0\4\0\0\0abc\0"),
    "XMP": (0xE1, b'http://ns.adobe.com/xap/1.0/\0<x:xmp tiff:Orientation="z"'),
    "ICC profile": (0xE2, b"ICC_PROFILE\0\1\1junk"),
    "other pictures": (0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
    "Photoshop": (0xED, b"Photoshop 3.0\x008BIM\xff\xff"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_metadata_do_not_break_a_jpeg(name):
    marker, content = BROKEN[name]
    segment = bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content
    assert right(JPEG[:2] + segment + JPEG[2:], by_opencv(JPEG))


@pytest.mark.parametrize("exif", [b"Exif\0\0\xff\xff\xff\xff\0\0\0\x08", b"II*\0\xff\0\0\0", b"junk"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_broken_exif_does_not_break_others(kind, exif):
    options = {"lossless": True} if kind == "WEBP" else {}
    assert right(encode(PICTURE, kind, exif=exif, **options), RGB.astype(float))


def bmp(
    bits: int, pixels: bytes, palette: bytes = b"", *, compression: int = 0, height: int = HEIGHT, masks=b""
) -> bytes:
    head = struct.pack("<LllHHLLllLL", 40, WIDTH, height, 1, bits, compression, len(pixels), 0, 0, len(palette) // 4, 0)
    start = 54 + len(masks) + len(palette)
    return b"BM" + struct.pack("<LHHL", start + len(pixels), 0, 0, start) + head + masks + palette + pixels


PALETTE = np.random.default_rng(1).integers(0, 256, (256, 4), dtype=np.uint8)


def runs(values: np.ndarray, bits: int) -> bytes:
    """Run lengths with literal runs of each length between them, from the last row to the first."""
    result = b""
    for y, row in enumerate(values[::-1].tolist()):
        x = 0
        while x < len(row):
            some = row[x : x + 3 + y % 6]
            if len(some) > 2 and x % 2:
                stored = bytes(some) if bits == 8 else packed(np.array([some]), 4)
                result += bytes((0, len(some))) + stored + bytes(len(stored) % 2)
            else:
                some = some[:1]
                result += bytes((1, some[0] if bits == 8 else some[0] << 4))
            x += len(some)
        result += b"\0\0"
    return result + b"\0\1"


@pytest.mark.parametrize("bits", [4, 8])
def test_bmp_of_run_lengths(bits):
    values = GREY >> (8 - bits)
    palette = PALETTE[: 2**bits]
    content = bmp(bits, runs(values, bits), palette.tobytes(), compression=1 if bits == 8 else 2)
    expected = palette[values][..., 2::-1].astype(float)
    assert np.abs(by_opencv(content) - expected).max() == 0
    assert right(content, expected)
    assert outcome(content[: len(content) // 2]) == "The picture is damaged or incomplete: save it again and retry."


def test_bmp_of_run_lengths_that_jump():
    content = bmp(8, b"\0\2\5\3\4\1\0\0\3\2\0\1", PALETTE.tobytes(), compression=1)
    assert right(content, by_opencv(content))


def test_bmp_of_every_depth():
    bgr, up = RGB[..., ::-1], slice(None, None, -1)
    red, green, blue = (RGB[..., k].astype("<u2") >> 3 for k in range(3))
    for content in (
        bmp(24, bgr[up].tobytes()),
        bmp(24, bgr.tobytes(), height=-HEIGHT),
        bmp(8, GREY[up].tobytes(), PALETTE.tobytes()),
        bmp(4, packed(GREY[up] >> 4, 4), PALETTE[:16].tobytes()),
        bmp(32, np.dstack([bgr, ALPHA])[up].tobytes()),
    ):
        assert right(content, by_opencv(content))
    linear = np.dstack([red, green, blue]) * 255 / 31  # OpenCV shifts instead
    assert right(bmp(16, (red << 10 | green << 5 | blue)[up].tobytes()), linear)
    masks = struct.pack("<3L", 0xF800, 0x7E0, 0x1F)
    wide = np.dstack([red * 255 / 31, (RGB[..., 1] >> 2) * 255.0 / 63, blue * 255 / 31])
    pixels = (red << 11 | (RGB[..., 1].astype("<u2") >> 2) << 5 | blue)[up].tobytes()
    assert right(bmp(16, pixels, compression=3, masks=masks), wide)
    assert "This BMP is damaged, or of a kind that is not read" in outcome(bmp(0, JPEG, compression=4))


def test_bmp_whose_opacity_is_zero_everywhere_is_opaque():
    pixels = np.dstack([RGB[..., ::-1], ALPHA * 0])[::-1].tobytes()
    head = struct.pack(
        "<LllHHLLllLL4L", 108, WIDTH, HEIGHT, 1, 32, 3, len(pixels), 0, 0, 0, 0, 0xFF0000, 0xFF00, 0xFF, 0xFF << 24
    )
    content = b"BM" + struct.pack("<LHHL", 122 + len(pixels), 0, 0, 122) + head + bytes(52) + pixels
    assert right(content, RGB.astype(float))


def test_gif_and_webp():
    palette = PICTURE.quantize(32)
    gif = encode(palette, "GIF", save_all=True, append_images=[palette.rotate(180)])
    assert right(gif, np.asarray(imagecodecs.gif_decode(gif, index=0))[..., :3].astype(float))
    for options in ({"quality": 80}, {"lossless": True}):
        content = encode(PICTURE, "WEBP", **options)
        assert right(content, imagecodecs.webp_decode(content)[..., :3].astype(float))
    content = encode(Image.fromarray(np.dstack([RGB, ALPHA])), "WEBP", lossless=True, exact=True)
    assert right(content, over_white(RGB, ALPHA / 255))


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_orientation(kind, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    content = encode(PICTURE, kind, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
    assert right(content, np.asarray(expected).astype(float))


@pytest.mark.parametrize("codec", ["jp2", "j2k"])
def test_jpeg_2000(codec):
    for array in (GREY, RGB, GREY.astype(np.uint16) * 257):
        content = imagecodecs.jpeg2k_encode(array, level=0, reversible=True, codecformat=codec)
        assert right(content, np.broadcast_to((spread(GREY) if array.ndim == 2 else RGB), RGB.shape).astype(float))
    twelve = imagecodecs.jpeg2k_encode(GREY.astype(np.uint16) * 16, level=0, bitspersample=12, codecformat=codec)
    assert right(twelve, spread(GREY))
    for array, options, words in (
        (RGB16, {}, "16-bit colour"),
        (RGB16 >> 4, {"bitspersample": 12}, "12-bit colour"),
        (GREY >> 4, {"bitspersample": 4}, "4-bit grey"),
        (GREY.astype(np.int16), {}, "signed numbers"),
        (np.dstack([RGB, ALPHA]), {}, "4 channels and does not say what they are"),
    ):
        told = outcome(imagecodecs.jpeg2k_encode(array, level=0, codecformat=codec, **options))
        assert told == f"This JPEG 2000 has {words}, which is not read: save it as PNG or TIFF."


def test_jpeg_2000_of_other_writers():
    for mode in ("RGB", "L"):
        content = encode(PICTURE.convert(mode), "JPEG2000")
        assert right(content, np.asarray(PICTURE.convert(mode).convert("RGB")).astype(float))
    opacity = encode(Image.fromarray(np.dstack([RGB, ALPHA])), "JPEG2000")
    assert right(opacity, over_white(RGB, ALPHA / 255))
    lossy = encode(PICTURE, "JPEG2000", irreversible=True, quality_layers=[10])
    assert right(lossy, imagecodecs.jpeg2k_decode(lossy).astype(float))


def test_avif():
    content = encode(PICTURE, "AVIF", quality=80)
    assert right(content, imagecodecs.avif_decode(content).astype(float))
    content = encode(Image.fromarray(np.dstack([RGB, ALPHA])), "AVIF", quality=90)
    decoded = imagecodecs.avif_decode(content).astype(float)
    assert right(content, over_white(decoded[..., :3], decoded[..., 3] / 255))
    for bits in (10, 12):
        told = outcome(imagecodecs.avif_encode(RGB16 >> (16 - bits), level=95, bitspersample=bits))
        assert told == "This AVIF has more than 8 bits per channel, which is not read: save it as PNG or TIFF."


SIGNATURES = {
    "DICOM": bytes(128) + b"DICM",
    "Zeiss CZI": b"ZISRAWFILE",
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "JPEG XL": bytes(imagecodecs.jpegxl_encode(RGB)),
    "JPEG XR": bytes(imagecodecs.jpegxr_encode(RGB)),
    "Radiance HDR": bytes(imagecodecs.rgbe_encode(RGB.astype(np.float32))),
    "PNM": encode(PICTURE, "PPM"),
    "PCX": encode(PICTURE, "PCX"),
    "QOI": encode(PICTURE, "QOI"),
    "ICO": encode(PICTURE, "ICO"),
    "SGI": encode(PICTURE, "SGI"),
    "DDS": encode(PICTURE, "DDS"),
    "Photoshop PSD": b"8BPS\0\1",
    "OpenEXR": b"v/1\1",
    "PDF": b"%PDF-1.7",
    "HDF5": b"\x89HDF\r\n\x1a\n",
    "Leica LIF": b"\x70\0\0\0",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_format_that_is_not_read_is_named(name):
    assert outcome(SIGNATURES[name] + bytes(200)) == f"The format {name} is not read: save it as PNG or TIFF."


@pytest.mark.parametrize("name", ["AVIF", "JPEG 2000", "WebP"])
def test_a_pillow_without_a_decoder_says_so(name, monkeypatch):
    content = encode(PICTURE, formats.plugin(name))
    monkeypatch.delitem(Image.OPEN, formats.plugin(name))
    assert outcome(content) == f"The Pillow installed here does not read {name}: save it as PNG or TIFF."


def test_a_folder_lists_every_file_that_is_read_or_refused_by_name(tmp_path):
    names = ["a.GIF", "b.jfif", "c.jpe", "d.dib", "e.svs", "f.jp2", "g.avif", "h.heic", "i.dcm", "j.ndpi", "k.png"]
    for name in [*names, "notes.txt", "table.csv", ".hidden.png", "__MACOSX/a.png"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [file.name for file in reading.pictures(tmp_path)] == names
    known = {
        ending for ending, kind in Image.registered_extensions().items() if kind in map(formats.plugin, formats.READ)
    }
    assert known - {".avifs", ".jpc"} <= reading.SUFFIXES


def test_limits_of_a_format_are_told():
    content = bytearray(encode(PICTURE, "JPEG2000", no_jp2=True))
    struct.pack_into(">LL", content, 8, 4000, 3500)
    assert outcome(bytes(content)).startswith("A picture in JPEG 2000 may have 12 megapixels")
