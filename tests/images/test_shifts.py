"""Acquisition shifts against Pillow and scikit-image."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter
from skimage import color

from dala.images.shifts import SHIFTS


@pytest.fixture(scope="module")
def picture(patch):
    return patch.crop((0, 0, 101, 71))


@pytest.mark.parametrize("name", SHIFTS)
def test_a_shift_keeps_the_size_and_gives_the_same_pixels_twice(name, picture):
    before = np.asarray(picture).copy()
    one, two = (SHIFTS[name].apply(picture) for _ in range(2))
    assert one.size == picture.size and one.mode == "RGB"
    assert np.array_equal(one, two) and not np.array_equal(one, before)
    assert np.array_equal(picture, before)


def test_sizes_are_scaled_about_the_middle():
    # A dark square of 20 px in the middle.
    pixels = np.full((100, 120, 3), 240, np.uint8)
    pixels[40:60, 50:70] = 20
    for name, factor in (("smaller", 0.7), ("larger", 1.3)):
        dark = np.asarray(SHIFTS[name].apply(Image.fromarray(pixels))).mean(2) < 130
        rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
        assert len(rows) == pytest.approx(20 * factor, abs=1) and len(columns) == pytest.approx(20 * factor, abs=1)
        assert rows.mean() == pytest.approx(49.5, abs=1) and columns.mean() == pytest.approx(59.5, abs=1)


def test_a_smaller_picture_is_surrounded_by_its_mirror_image(picture):
    shifted = np.asarray(SHIFTS["smaller"].apply(picture))
    small = np.asarray(picture.resize((71, 50), Image.Resampling.BICUBIC))
    assert np.array_equal(shifted, np.pad(small, ((10, 11), (15, 15), (0, 0)), "symmetric"))


def test_stains_are_changed_as_scikit_image_separates_them(picture):
    before, after = (color.rgb2hed(np.asarray(p)) for p in (picture, SHIFTS["stain"].apply(picture)))
    # Its third stain, DAB, is not part of our model, so that factors are near ours and not equal to them.
    for channel, low, high in ((0, 1.1, 1.5), (1, 0.6, 0.9)):
        ratio = np.median((after / np.maximum(before, 1e-6))[..., channel][before[..., channel] > 0.02])
        assert low < ratio < high


def test_blur_and_sharpening_are_pillows(picture):
    stream = io.BytesIO()
    picture.filter(ImageFilter.GaussianBlur(1)).save(stream, "JPEG", quality=40)
    assert np.array_equal(SHIFTS["blur"].apply(picture), Image.open(stream))
    sharp = picture.filter(ImageFilter.UnsharpMask(2, 150, 0))
    assert np.array_equal(SHIFTS["sharpening"].apply(picture), sharp)
