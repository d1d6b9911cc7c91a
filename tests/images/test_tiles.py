"""The part of a picture that the network gets, and its scale."""

import numpy as np
import pytest
from PIL import Image

from dala.images import preprocessing, tiles
from dala.images.preprocessing import ImageError, Preprocessing
from dala.phantoms import phantom

SIZE = Preprocessing(96, 128, magnification="100X", enlargement=2.0)  # its data set's patches are 64x48 px


def picture(width: int, height: int) -> Image.Image:
    return phantom.make(1, size=(width, height)).picture


def test_a_patch_is_seen_whole_and_fitted():
    selection = tiles.select(picture(64, 48), SIZE)
    assert (selection.zoom, selection.parts, selection.thumbnails, selection.patches) == (None, (), (), 1)


@pytest.mark.parametrize(("scale", "zoom"), [("100X", 2.0), ("200X", 1.0), ("40X", 5.0), ("400X", 0.5)])
def test_a_known_magnification_brings_the_picture_to_the_weights_scale(scale, zoom, small):
    selection = tiles.select(picture(64, 64), SIZE, scale)
    assert selection.zoom == pytest.approx(zoom)
    if scale != "40X":
        seen = small.explain(selection.picture, zoom=selection.zoom).picture
        assert seen.size == (round(64 * zoom), round(64 * zoom))


def test_micrometres_per_pixel_need_weights_that_state_theirs():
    assert preprocessing.zoom_of(0.25, SIZE) is None
    assert preprocessing.zoom_of(0.25, Preprocessing(96, 128, um_per_pixel=0.5)) == 0.5


@pytest.mark.parametrize("scale", ["", "large", "-40X", "nanX", "0X", "infX", "1e9X"])
def test_invalid_scales(scale):
    with pytest.raises(ImageError):
        preprocessing.zoom_of(scale, SIZE)


def test_too_little_and_too_much_tissue_are_refused_in_words():
    with pytest.raises(ImageError, match="too little tissue"):
        preprocessing.zoomed(picture(64, 48), 0.5, SIZE)
    with pytest.raises(ImageError, match="choose a part"):
        preprocessing.zoomed(picture(64, 48), 8, SIZE)


def test_zooming_is_resizing_and_zoom_one_changes_nothing(small):
    original = picture(128, 96)
    assert preprocessing.zoomed(original, 1.0, SIZE) is original
    e = small.explain(original, zoom=0.75)
    expected = original.resize((96, 72), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(np.asarray(e.picture), np.asarray(expected))
    again = small.explain(e.picture, zoom=1.0)
    assert again.logits.tolist() == e.logits.tolist()


def test_parts_cover_a_large_picture_at_the_size_of_a_patch():
    selection = tiles.select(picture(64 * 3, 48 * 3), SIZE)
    assert selection.zoom is None
    assert selection.patches == 9
    assert len(selection.parts) == 9
    assert selection.parts[4] == (64, 48, 128, 96)
    covered = np.zeros((48 * 3, 64 * 3), bool)
    for left, top, right, bottom in selection.parts:
        covered[top:bottom, left:right] = True
    assert covered.all()
    assert len(selection.thumbnails) == 10
    part = tiles.select(picture(64 * 3, 48 * 3), SIZE, box=selection.parts[4])
    assert (part.picture.size, part.zoom, part.parts) == ((64, 48), 2.0, selection.parts)


def test_of_many_parts_those_with_tissue_are_offered_in_reading_order():
    whole = Image.new("RGB", (64 * 6, 48 * 6), "white")
    tissue = [(64 * x, 48 * y) for x, y in ((1, 1), (4, 2), (3, 5))]
    for place in tissue:
        whole.paste(picture(64, 48), place)
    selection = tiles.select(whole, SIZE)
    assert len(selection.parts) == tiles.MOST
    assert {(64 * x, 48 * y, 64 * x + 64, 48 * y + 48) for x, y in ((1, 1), (4, 2), (3, 5))} <= set(selection.parts)
    assert list(selection.parts) == sorted(selection.parts, key=lambda b: (b[1], b[0]))


def test_a_large_picture_of_a_known_scale_shows_its_part_with_the_most_tissue():
    whole = Image.new("RGB", (64 * 4, 48 * 4), "white")
    whole.paste(picture(64, 48), (128, 96))
    selection = tiles.select(whole, SIZE, "100X")
    assert selection.picture.size == (64, 48)
    np.testing.assert_array_equal(np.asarray(selection.picture), np.asarray(whole.crop((128, 96, 192, 144))))
