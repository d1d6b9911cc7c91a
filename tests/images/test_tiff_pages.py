"""TIFFs of several pages: slides, pyramids, channels and stacks as scanners and microscopes write them."""

import io

import numpy as np
import pytest
import tifffile

from dala.images import reading
from dala.images.preprocessing import ImageError
from tests.support.tiffs import GREY, RGB, WIDTH, directory, pages, strip, written

PLANES = np.moveaxis(RGB, -1, 0).copy()
LARGE = np.full((100, 200, 3), 205, np.uint8)
SMALL = RGB[::2, ::2].copy()
COLOUR = {"photometric": "rgb"}
APERIO = "Aperio Image Library v12.0.15\r\n"
QPI = '<?xml version="1.0"?>\r\n<PerkinElmer-QPI-ImageDescription>\r\n<ImageType>{}</ImageType>'
GREY_PAGES = "grey pages of the same size, and nothing says that they are red, green and blue"


def told(text: str, **more) -> dict:
    return COLOUR | {"description": text} | more


SLIDES = {
    "Ventana BIF": (
        (LARGE, told("Label_Image")),
        (LARGE[..., 0].copy(), {"photometric": "minisblack", "description": "Probability_Image"}),
        (LARGE, told("Thumbnail")),
        (RGB, told("level=0 mag=40 quality=90")),
        (SMALL, told("level=1 mag=20 quality=90")),
    ),
    "older Ventana": ((LARGE, told("Label Image")), (RGB, told("level=0 mag=40"))),
    "Leica SCN": ((SMALL, told("<scn/>")), (RGB, COLOUR)),
    "Aperio SVS": (
        (RGB, told(APERIO + "48x40 [0,0 48x40] (240x240)|AppMag = 20")),
        (LARGE, told(APERIO + "48x40 -> 200x100 - |AppMag = 20")),
        (SMALL, told(APERIO + "48x40 [0,0 48x40] (240x240) -> 24x20|AppMag = 20", tile=(16, 16))),
        (LARGE, told(APERIO + "label 200x100", subfiletype=1)),
        (LARGE, told(APERIO + "macro 200x100", subfiletype=9)),
    ),
    "PerkinElmer QPTIFF": (
        (RGB, told(QPI.format("FullResolution"))),
        (LARGE, told(QPI.format("Thumbnail"))),
        (SMALL, told(QPI.format("ReducedResolution"))),
        (LARGE, told(QPI.format("Label"))),
    ),
    "Philips": ((RGB, told("level=0")), (LARGE, told("Macro")), (LARGE, told("Label"))),
    "Hamamatsu NDPI": (
        (RGB, COLOUR | {"extratags": [(65420, 4, 1, 1, True), (65421, 11, 1, 20.0, True)]}),
        (LARGE, COLOUR | {"extratags": [(65420, 4, 1, 1, True), (65421, 11, 1, -1.0, True)]}),
    ),
    "a thumbnail before the picture": ((LARGE, COLOUR | {"subfiletype": 1}), (RGB, COLOUR)),
    "a mask beside the picture": ((RGB, COLOUR), (np.zeros((200, 200), bool), {"subfiletype": 4})),
    "a pyramid of sub-pages": ((RGB, COLOUR | {"subifds": 1}), (SMALL, COLOUR)),
    "the picture in a sub-page": ((SMALL, COLOUR | {"subfiletype": 1, "subifds": 1}), (RGB, COLOUR)),
    "nothing but a reduced copy": ((RGB, COLOUR | {"subfiletype": 1}),),
    "a stack of colour": ((RGB, COLOUR), (255 - RGB, COLOUR)),
    "sizes of grey": ((PLANES[0][:34, :34].copy(), {}), (PLANES[0], {})),
}


@pytest.mark.parametrize("name", SLIDES)
def test_the_largest_page_that_is_no_label_or_copy_is_read(name):
    expected = RGB if "grey" not in name else np.repeat(PLANES[0][..., None], 3, 2)
    np.testing.assert_array_equal(np.asarray(reading.read(pages(*SLIDES[name]))), expected)


def test_a_file_of_labels_alone_is_refused():
    with pytest.raises(ImageError, match="only labels, masks and overviews"):
        reading.read(pages((LARGE, told("Label Image"))))


def lut(channel: int) -> np.ndarray:
    table = np.zeros((3, 256), np.uint8)
    table[channel] = np.arange(256)
    return table


def ome(array: np.ndarray, channel: dict | None = None, axes: str = "CYX", **more) -> bytes:
    about = {"axes": axes} | ({"Channel": channel} if channel else {})
    return written(array, ome=True, photometric="minisblack", metadata=about, **more)


def imagej(array: np.ndarray, axes: str = "CYX", **more) -> bytes:
    order = {"byteorder": more.pop("byteorder")} if "byteorder" in more else {}
    return written(array, imagej=True, metadata={"axes": axes, "mode": "composite"} | more, **order)


NAMES = {"Name": ["Red", "Green", "Blue"]}
CODES = {"Color": [-16776961, 16711935, 65535]}  # RGBA of red, green and blue
COMPOSITES = {
    "OME, names": lambda: ome(PLANES, NAMES),
    "OME, letters": lambda: ome(PLANES, {"Name": ["R", "G", "B"]}),
    "OME, colours": lambda: ome(PLANES, CODES),
    "OME, another order": lambda: ome(PLANES[::-1].copy(), {"Color": CODES["Color"][::-1]}),
    "OME, 16 bits, LZW": lambda: ome(PLANES.astype(np.uint16) * 257, NAMES, compression="lzw"),
    "OME, 12 bits": lambda: ome((PLANES.astype(np.uint32) * 4095 // 255).astype(np.uint16), NAMES),
    "OME, float": lambda: ome(PLANES.astype(np.float32), NAMES),
    "ImageJ": lambda: imagej(PLANES),
    "ImageJ, its tables": lambda: imagej(PLANES[::-1].copy(), LUTs=[lut(2), lut(1), lut(0)], Info="Slide 1"),
    "ImageJ, big-endian": lambda: imagej(PLANES.astype(">u2") * 257, byteorder=">", LUTs=[lut(0), lut(1), lut(2)]),
}


@pytest.mark.parametrize("name", COMPOSITES)
def test_three_pages_are_merged_where_the_file_says_that_they_are_red_green_and_blue(name):
    got = np.asarray(reading.read(COMPOSITES[name]())).astype(int)
    # Channels share one range, which the largest value of all of them sets.
    assert np.abs(got - RGB).max() <= 1


GREY_LUT = np.tile(np.arange(256, dtype=np.uint8), (3, 1))
STACKS = {
    "OME, channels without names": lambda: ome(PLANES),
    "OME, other names": lambda: ome(PLANES, {"Name": ["DAPI", "FITC", "TRITC"]}),
    "OME, names against colours": lambda: ome(PLANES, {"Name": NAMES["Name"], "Color": CODES["Color"][::-1]}),
    "OME, a stack": lambda: ome(PLANES, axes="ZYX"),
    "OME, four channels": lambda: ome(np.concatenate([PLANES, PLANES[:1]]), {"Name": [*NAMES["Name"], "Red"]}),
    "ImageJ, grey tables": lambda: imagej(PLANES, LUTs=[GREY_LUT] * 3),
    "ImageJ, a stack": lambda: imagej(PLANES, "ZYX"),
    "ImageJ, one at a time": lambda: imagej(PLANES, mode="grayscale"),
    "ImageJ, pages without a directory": lambda: written(PLANES[0], description="ImageJ=1.53\nimages=3\nslices=3\n"),
    "tifffile": lambda: written(PLANES, photometric="minisblack"),
    "tifffile, pages without a directory": lambda: written(PLANES[0], description='{"shape": [3, 40, 48]}'),
    "MetaMorph": lambda: strip(8, 1, 1, PLANES.tobytes(), {33629: (4, [1, 0, 0])}),
}


@pytest.mark.parametrize("name", STACKS)
def test_grey_pages_that_nothing_names_are_refused(name):
    with pytest.raises(ImageError, match=GREY_PAGES):
        reading.read(STACKS[name]())


def test_one_channel_and_colour_of_the_same_writers_are_read():
    grey = np.repeat(GREY[..., None], 3, 2)
    planes16 = PLANES.astype(np.uint16) * 257
    for content, expected in (
        (written(GREY, ome=True), grey),
        (written(GREY, imagej=True), grey),
        (written(GREY, metadata={}), grey),
        (written(RGB, imagej=True), RGB),
        (written(RGB, ome=True, photometric="rgb"), RGB),
        (written(planes16, ome=True, photometric="rgb", planarconfig="separate"), RGB),
        (written(planes16, photometric="rgb", extratags=[(34412, 1, 64, bytes(64), True)]), RGB),  # Zeiss LSM
    ):
        np.testing.assert_array_equal(np.asarray(reading.read(content)), expected)


def test_slides_and_stacks_that_are_too_large_are_told_so():
    tiles = {322: (3, [256]), 323: (3, [256]), 324: (4, [200] * 300_001)}
    slide = directory({256: (4, [160_000]), 257: (4, [120_000]), 259: (3, [7]), 262: (3, [6])} | tiles, bytes(1000))
    with pytest.raises(ImageError, match="more than 50 megapixels"):
        reading.read(slide)
    with pytest.raises(ImageError, match="more than 500 pages"):
        reading.read(pages(*[(RGB[:34, :34].copy(), COLOUR)] * 501))


def test_a_big_endian_bigtiff_is_no_bomb():
    more = {"big_endian": True, "big": True}
    expected = np.repeat(GREY[..., None], 3, 2)
    long = strip(8, 1, 1, GREY.tobytes() + bytes(600_000), **more)
    np.testing.assert_array_equal(np.asarray(reading.read(long)), expected)
    nowhere = bytearray(long)
    at = long.index(b"\x01\x11\0\4")
    nowhere[at + 12 : at + 16] = bytes(4)  # the strip at 0, where the header is
    with pytest.raises(ImageError, match="damaged"):
        reading.read(bytes(nowhere))


def test_a_compressed_big_endian_bigtiff_is_refused_as_such():
    stream = io.BytesIO()
    tifffile.imwrite(stream, RGB, byteorder=">", bigtiff=True, compression="lzw", photometric="rgb", metadata=None)
    with pytest.raises(ImageError, match=r"Big-endian BigTIFF .*LZW.* is not read: save it as a classic TIFF"):
        reading.read(stream.getvalue())


def test_directories_in_a_circle_end():
    content = bytearray(strip(8, 3, 2, RGB.tobytes()))
    at = 8 + 2 + 9 * 12
    content[at : at + 4] = (8).to_bytes(4, "little")
    np.testing.assert_array_equal(np.asarray(reading.read(bytes(content))), RGB)
    assert reading.read(bytes(content)).width == WIDTH
