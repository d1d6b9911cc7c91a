"""Every layout of a TIFF: read as tifffile reads it, or refused by name; nothing else."""

import io
import re
import struct

import numpy as np
import pytest
from PIL import Image

from dala.images import reading
from dala.images.preprocessing import ImageError
from dala.images.tiff_layout import COLOURS, COMPRESSIONS, READ
from tests.fuzz.hard import encode
from tests.support import tiffs
from tests.support.tiffs import GREY, HEIGHT, RGB, WIDTH, strip, written

MOST = 2  # of 255
NOT_READ = r"Big-endian BigTIFF with|This kind of TIFF is not read \(|does not say that they are red, green and blue"
ALL = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
DTYPES = {kind: ALL if kind in ("grey", "grey, white is zero") else ("u1", "u2", "f4") for kind in tiffs.KINDS}
ORDINARY = ("grey", "RGB", "RGB and alpha", "CMYK")


def outcome(content: bytes) -> np.ndarray | str:
    try:
        return np.asarray(reading.read(content)).astype(float)
    except ImageError as error:
        return str(error)


def right(content: bytes, expected: np.ndarray) -> bool:
    got = outcome(content)
    return not isinstance(got, str) and got.shape == expected.shape and bool(np.abs(got - expected).max() <= MOST)


def has_to_be_read(kind: str, dtype: str, options: dict) -> bool:
    """What ordinary tools write: not to be refused, whatever else changes."""
    if options["compression"] == "jpeg" and dtype != "u1":
        return False
    if options["byteorder"] == ">" and options["bigtiff"]:
        return options["compression"] is None and kind in ORDINARY and dtype in ("u1", "u2")
    if options["compression"] is None and kind.startswith("grey") and "," not in kind and "something" not in kind:
        return kind == "grey" or dtype == "u1"
    return kind in ORDINARY and dtype in ("u1", "u2")


@pytest.mark.parametrize(("kind", "dtype"), [(kind, dtype) for kind, dtypes in DTYPES.items() for dtype in dtypes])
def test_each_layout_is_read_as_by_tifffile_or_refused_by_name(kind, dtype):
    count = 0
    for options, content in tiffs.cells(kind, dtype):
        got = outcome(content)
        if isinstance(got, str):
            assert re.search(NOT_READ, got), (options, got)
            assert not has_to_be_read(kind, dtype, options), (options, got)
        else:
            expected = tiffs.read_by_tifffile(content)
            assert got.shape == expected.shape and np.abs(got - expected).max() <= MOST, options
        count += 1
    assert count >= 4


@pytest.mark.parametrize("compression", [c for c in [*COMPRESSIONS, 12345] if c not in READ])
def test_a_compression_that_is_not_read_is_named(compression):
    told = outcome(strip(8, 3, 2, RGB.tobytes(), {259: (3, [compression])}))
    assert told == (
        f"The compression of this TIFF, {COMPRESSIONS.get(compression, 'number 12345')}, is not read: "
        "save it with LZW, Deflate or JPEG compression, or as PNG."
    )


@pytest.mark.parametrize("photometric", [8, 9, 10, 32803, 32844, 32845, 34892, 51177, 77])
def test_colours_that_are_not_read_are_named(photometric):
    name = COLOURS.get(photometric, "number 77")
    told = outcome(strip(8, 3, photometric, RGB.tobytes()))
    assert told == f"This TIFF holds colours of the kind {name}, which is not read: save it as RGB."


def packed(values: np.ndarray, bits: int) -> bytes:
    """Rows of values of fewer than 8 bits, or of 12, each from a new byte on."""
    spread = np.unpackbits(values.astype(">u2").view(np.uint8).reshape(*values.shape, 2), axis=2)[:, :, 16 - bits :]
    return np.packbits(spread.reshape(len(values), -1), axis=1).tobytes()


def turned(content: bytes) -> bytes:
    """The bits of each byte from the lowest on, as FillOrder 2 stores them."""
    return bytes(int(f"{byte:08b}"[::-1], 2) for byte in content)


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("big_endian", [False, True])
def test_few_bits(bits, big_endian):
    values = GREY >> (8 - bits)
    grey = np.repeat(values[..., None] * 255.0 / (2**bits - 1), 3, 2)
    colours = np.random.default_rng(0).integers(256, 65536, (3, 2**bits))
    palette = {320: (3, colours.ravel().tolist())}
    content = packed(values, bits)
    assert right(strip(bits, 1, 1, content, big_endian=big_endian), grey)
    assert right(strip(bits, 1, 0, content, big_endian=big_endian), 255 - grey)
    assert right(strip(bits, 1, 1, turned(content), {266: (3, [2])}, big_endian=big_endian), grey)
    assert right(strip(bits, 1, 3, content, palette, big_endian=big_endian), colours.T[values] / 257)


def test_fill_order_2_of_whole_bytes():
    for channels, photometric, array in ((1, 1, GREY), (3, 2, RGB)):
        expected = np.broadcast_to(array.reshape(HEIGHT, WIDTH, -1), RGB.shape)
        assert right(strip(8, channels, photometric, turned(array.tobytes()), {266: (3, [2])}), expected)


def test_palettes():
    colours = np.random.default_rng(0).integers(0, 65536, (3, 256)).astype(np.uint16)
    for compression in (None, "lzw", "packbits", "adobe_deflate"):
        content = written(GREY, photometric="palette", colormap=colours, compression=compression)
        assert right(content, colours.T[GREY] / 257)
    dark = written(GREY, photometric="palette", colormap=colours // 256)
    assert outcome(dark) == "The palette of this TIFF is damaged: save it as RGB."
    many = np.zeros((3, 65536), np.uint16) + 300
    assert "16-bit palette" in outcome(written(GREY.astype(np.uint16), photometric="palette", colormap=many))


@pytest.mark.parametrize("compression", ["tiff_ccitt", "group3", "group4", "packbits", "tiff_lzw"])
def test_fax_compressions(compression):
    picture = Image.fromarray(GREY).convert("1")
    expected = np.repeat(np.asarray(picture)[..., None] * 255.0, 3, 2)
    assert right(encode(picture, "TIFF", compression=compression), expected)


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_ycbcr_jpeg(subsampling, tile):
    content = written(RGB, photometric="ycbcr", compression="jpeg", subsampling=subsampling, tile=tile)
    assert right(content, tiffs.read_by_tifffile(content))


def test_ycbcr_without_jpeg_is_named():
    for compression in (None, "tiff_lzw"):
        options = {"compression": compression} if compression else {}
        told = outcome(encode(Image.fromarray(RGB).convert("YCbCr"), "TIFF", **options))
        assert told.startswith("This TIFF holds YCbCr colours without JPEG compression, which is not read")


def test_old_style_jpeg():
    jpeg = encode(Image.fromarray(RGB), "JPEG", quality=95, subsampling=0)
    rows = {513: (4, [0]), 514: (4, [len(jpeg)]), 530: (3, [1, 1])}
    content = bytearray(strip(8, 3, 6, jpeg, rows | {259: (3, [6])}))
    entry = content.index(struct.pack("<HHL", 513, 4, 1))
    struct.pack_into("<L", content, entry + 8, len(content) - len(jpeg))
    assert right(bytes(content), np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(float))


def test_a_fourth_channel_without_a_name_is_read_if_it_says_nothing():
    full, half = np.full((HEIGHT, WIDTH), 255, np.uint8), GREY
    for bits, unit in ((8, 1), (16, 257)):
        opaque = (np.dstack([RGB, full]).astype(f"<u{bits // 8}") * unit).tobytes()
        assert right(strip(bits, 4, 2, opaque), RGB.astype(float))
        unclear = (np.dstack([RGB, half]).astype(f"<u{bits // 8}") * unit).tobytes()
        assert "does not say whether it is opacity" in outcome(strip(bits, 4, 2, unclear))


def test_channels_without_names_are_refused():
    for array, planar in ((RGB, "contig"), (np.moveaxis(RGB, -1, 0), "separate"), (RGB[..., :2], "contig")):
        told = outcome(written(array, photometric="minisblack", planarconfig=planar))
        assert "channels and does not say that they are red, green and blue" in told


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (strip(8, 3, 2, RGB.tobytes(), {258: (3, [5, 6, 5])}), "mixes kinds of numbers"),
        (strip(5, 3, 2, RGB.tobytes()), "5-bit RGB"),
        (strip(12, 1, 1, packed(GREY.astype(np.uint16) * 16, 12)), "12-bit grey"),
        (strip(8, 1, 1, GREY.tobytes(), {339: (3, [4])}), "complex or unknown"),
        (written(GREY.astype(np.complex64)), "complex or unknown"),
        (strip(8, 4, 5, np.dstack([RGB, GREY]).tobytes(), {332: (3, [2])}), "other inks than cyan"),
        (strip(8, 1, 4, GREY.tobytes()), "only labels, masks and overviews"),
        (strip(16, 1, 1, b"", {STRIP: (4, [0]) for STRIP in (324,)}), "damaged"),
        (strip(16, 1, 1, GREY.tobytes()), "damaged"),
    ],
)
def test_other_layouts_are_named(content, words):
    assert words in outcome(content)


def test_the_order_of_signed_and_large_numbers_is_kept():
    for values in (np.array([-128, -1, 0, 127], np.int8), np.array([0, 2**31 - 1, 2**31, 2**32 - 1], np.uint32)):
        for compression in (None, "lzw"):
            got = outcome(written(np.tile(np.repeat(values, 10), (40, 1)), compression=compression))
            assert got[0, ::10, 0].tolist() == [0, 127, 128, 255]


@pytest.mark.parametrize("compression", [None, "lzw"])
@pytest.mark.parametrize("kind", ["RGB", "RGB and alpha", "CMYK", "grey and alpha"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_12_of_16_bits_are_refused_in_every_kind_of_colour(kind, compression, planar):
    array = tiffs.samples(kind, "u2") >> 4
    stored = np.moveaxis(array, -1, 0) if planar == "separate" else array
    told = outcome(written(stored, **tiffs.KINDS[kind][0], compression=compression, planarconfig=planar))
    unread = (kind, compression) == ("grey and alpha", "lzw")
    words = "(16-bit grey, 2 channels, LZW)" if unread else "a quarter or less of its 16 bits"
    assert words in told


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation_of_every_way_to_decode(turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    expected = np.asarray(reading.read(encode(Image.fromarray(RGB), "PNG", exif=exif))).astype(float)
    tag = {"extratags": [(274, 3, 1, turn, True)], "photometric": "rgb"}
    planes = np.moveaxis(RGB, -1, 0).astype(np.uint16) * 257
    for content in (written(RGB, **tag), written(RGB, compression="lzw", **tag), written(planes, **tag)):
        assert right(content, expected)


def test_an_image_that_pillow_has_opened_is_read_from_its_file():
    planes = np.moveaxis(RGB, -1, 0).astype(np.uint16) * 257
    image = Image.open(io.BytesIO(written(planes, photometric="rgb", planarconfig="separate")))
    np.testing.assert_array_equal(np.asarray(reading.read(image)), RGB)
