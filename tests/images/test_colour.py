"""Colour profiles: compared with the equations of a matrix and a gamma, and with libvips."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from dala.images import reading
from tests.fuzz.hard import encode
from tests.images.test_tiff_matrix import right
from tests.support.tiffs import RGB, WIDTH, written

PICTURE = Image.fromarray(RGB)
WHITE = (0.9642, 1.0, 0.8249)  # D50, to which profiles are adapted
# XYZ of red, green and blue, and gamma.
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)), 563 / 256
PROPHOTO = ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)), 461 / 256
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))


def fixed(values) -> bytes:
    return b"".join(struct.pack(">l", round(v * 65536)) for v in values)


def profile(primaries, gamma: float, space: bytes = b"RGB ") -> bytes:
    """An ICC profile of version 2: three primaries and one gamma, or a gamma of grey."""
    xyz, curve = b"XYZ " + bytes(4), b"curv" + bytes(4) + struct.pack(">LHxx", 1, round(gamma * 256))
    about = b"desc" + bytes(4) + struct.pack(">L", 5) + b"test\0" + bytes(81)
    tags = {b"desc": about + bytes(-len(about) % 4), b"cprt": b"text" + bytes(4) + b"none" + bytes(4)}
    tags[b"wtpt"] = xyz + fixed(WHITE)
    if space == b"RGB ":
        tags |= {name + b"XYZ": xyz + fixed(p) for name, p in zip((b"r", b"g", b"b"), primaries, strict=True)}
        tags |= {name + b"TRC": curve for name in (b"r", b"g", b"b")}
    else:
        tags[b"kTRC"] = curve
    start = 132 + 12 * len(tags)
    table, content = struct.pack(">L", len(tags)), b""
    for name, value in tags.items():
        table += name + struct.pack(">LL", start + len(content), len(value))
        content += value
    head = struct.pack(">L4sL4s4s4s", start + len(content), b"lcms", 0x02400000, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + fixed(WHITE)
    return head.ljust(128, b"\0") + table + content


def srgb(linear: np.ndarray) -> np.ndarray:
    linear = linear.clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def converted(colours: np.ndarray, space) -> np.ndarray:
    """By the equations of the profile and of IEC 61966-2-1."""
    primaries, gamma = space
    return srgb((colours / 255) ** gamma @ np.array(primaries) @ np.linalg.inv(np.array(SRGB)))


@pytest.mark.parametrize("space", [ADOBE, PROPHOTO], ids=["Adobe RGB", "ProPhoto"])
def test_colours_are_converted_to_srgb(space):
    icc, expected = profile(*space), converted(RGB, space)
    assert np.abs(expected - RGB).mean() > 3, "a profile that changes nothing tests nothing"
    planes = np.moveaxis(RGB, -1, 0).astype(np.uint16) * 257
    for content in (
        encode(PICTURE, "PNG", icc_profile=icc),
        encode(PICTURE, "TIFF", icc_profile=icc),
        encode(PICTURE, "WEBP", lossless=True, icc_profile=icc),
        written(planes, photometric="rgb", planarconfig="separate", iccprofile=icc),
        written(np.moveaxis(planes, 0, -1), photometric="rgb", compression="lzw", iccprofile=icc),
    ):
        assert right(content, expected)
    palette = PICTURE.quantize(64)
    assert right(encode(palette, "PNG", icc_profile=icc), converted(np.asarray(palette.convert("RGB")), space))
    jpeg = encode(PICTURE, "JPEG", quality=95)
    with_profile = encode(PICTURE, "JPEG", quality=95, icc_profile=icc)
    assert right(with_profile, converted(np.asarray(reading.read(jpeg)), space))


def test_opacity_is_applied_after_the_colours():
    alpha = np.tile(np.linspace(0, 255, WIDTH).round().astype(np.uint8), (len(RGB), 1))
    content = encode(Image.fromarray(np.dstack([RGB, alpha])), "PNG", icc_profile=profile(*ADOBE))
    share = alpha[..., None] / 255
    assert right(content, converted(RGB, ADOBE) * share + 255 * (1 - share))


@pytest.mark.parametrize("space", [ADOBE, PROPHOTO], ids=["Adobe RGB", "ProPhoto"])
def test_the_profile_of_a_jpeg_2000_is_applied(space):
    content, icc = encode(PICTURE, "JPEG2000"), profile(*space)
    head, colr = content.index(b"jp2h") - 4, content.index(b"colr") - 4
    size, old = (struct.unpack_from(">L", content, at)[0] for at in (head, colr))
    box = struct.pack(">L", 11 + len(icc)) + b"colr\2\0\0" + icc
    start = content[:head] + struct.pack(">L", size + len(box) - old) + content[head + 4 : colr]
    assert right(start + box + content[colr + old :], converted(RGB, space))


def test_grey_profiles():
    linear, grey = profile(None, 1.0, b"GRAY"), np.asarray(PICTURE.convert("L"))
    expected = np.repeat(srgb(grey / 255)[..., None], 3, 2)
    assert right(encode(PICTURE.convert("L"), "PNG", icc_profile=linear), expected)
    assert right(encode(PICTURE.convert("LA"), "PNG", icc_profile=linear), expected)


def ink_profile(gain: int) -> bytes:
    """A CMYK profile of version 2: paper shows, per ink, what a table of two points a side says."""
    corner = [[0.0, 255.0][k] for k in (0, 1)]
    grid = np.array([[c, m, y, k] for c in corner for m in corner for y in corner for k in corner]) / 255
    light = 100 * (1 - grid[:, 3]) * (1 - grid[:, :3].mean(1))
    lab = np.stack([light * 652.8, np.full(16, 32768.0), np.full(16, 32768.0)], -1).astype(">u2").tobytes()
    ramp = struct.pack(">HH", 0, 65535)
    lut = b"mft2" + bytes(4) + bytes((4, 3, 2, 0)) + fixed((1, 0, 0, 0, 1, 0, 0, 0, 1))
    lut += struct.pack(">HH", 2, 2) + ramp * 4 + lab + ramp * 3
    about = b"desc" + bytes(4) + struct.pack(">L", 5) + b"test\0" + bytes(81)
    tags = {b"desc": about + bytes(-len(about) % 4), b"cprt": b"text" + bytes(4) + b"none" + bytes(4)}
    tags |= {b"wtpt": b"XYZ " + bytes(4) + fixed(WHITE), b"A2B0": lut + bytes(-len(lut) % 4)}
    start = 132 + 12 * len(tags)
    table, content = struct.pack(">L", len(tags)), b""
    for name, value in tags.items():
        table += name + struct.pack(">LL", start + len(content), len(value))
        content += value
    head = struct.pack(">L4sL4s4s4s", start + len(content), b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head += bytes(12) + b"acsp" + bytes(28) + fixed(WHITE)
    return head.ljust(128, b"\0") + table + content


def test_ink_is_converted_by_its_profile():
    ink = Image.new("CMYK", (40, 40), (0, 0, 0, 128))
    plain = np.asarray(reading.read(encode(ink, "TIFF")))
    got = np.asarray(reading.read(encode(ink, "TIFF", icc_profile=ink_profile(0))))
    # Half black is L* = 50 in this profile, which is 119 in sRGB.
    assert plain[0, 0].tolist() == [127, 127, 127]
    assert np.abs(got[0, 0].astype(int) - 119).max() <= 2


@pytest.mark.parametrize("broken", [b"junk", bytes(500), profile(*ADOBE)[:200], profile(*ADOBE)[:128]])
def test_a_broken_profile_changes_nothing(broken):
    assert right(encode(PICTURE, "PNG", icc_profile=broken), RGB.astype(float))


def test_profiles_of_another_space_and_srgb_change_nothing():
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for icc in (own, lab, profile(None, 1.0, b"GRAY")):
        np.testing.assert_array_equal(np.asarray(reading.read(encode(PICTURE, "PNG", icc_profile=icc))), RGB)
    grey = encode(PICTURE.convert("L"), "PNG", icc_profile=profile(*ADOBE))
    np.testing.assert_array_equal(np.asarray(reading.read(grey))[..., 0], np.asarray(PICTURE.convert("L")))
