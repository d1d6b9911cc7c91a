"""Pictures at the training scale."""

import numpy as np
import pytest
from PIL import Image

from dala.data import loading
from dala.data.items import DataError, Item
from dala.images import preprocessing, reading
from dala.phantoms import phantom

ABOUT = preprocessing.Preprocessing(144, 192, magnification="100X")


@pytest.fixture
def place(tmp_path):
    def save(size, zoom):
        file = tmp_path / "one.png"
        phantom.make(0, True, size).picture.save(file)
        return Item(file, 0, "p", "p", zoom=zoom)

    return save


@pytest.mark.parametrize(
    ("size", "zoom", "seen"),
    [((192, 144), 2.5, (385, 288)), ((700, 500), 0.5, (350, 250)), ((800, 900), 0.25, (200, 225))],
)
def test_tissue_is_as_large_as_in_the_first_set(place, size, zoom, seen):
    item = place(size, zoom)
    shown = loading.at_scale(item, ABOUT)
    assert shown.size == seen
    if zoom > 1:  # the middle: a patch shows at most four times what the network sees
        whole = np.asarray(reading.read(item.path).resize((480, 360), 3), float)
        middle = whole[(360 - seen[1]) // 2 :, (480 - seen[0]) // 2 :][: seen[1], : seen[0]]
        assert np.abs(middle - np.asarray(shown, float)).mean() < 6


def test_a_zoom_adds_to_the_enlargement_of_the_first_set(place):
    enlarged = preprocessing.Preprocessing(288, 384, enlargement=2.0)
    assert loading.at_scale(place((192, 200), 0.5), enlarged).size == (192, 200)
    assert loading.at_scale(place((192, 144), None), enlarged).size == (384, 288)


def test_a_small_tile_is_continued_by_its_reflection(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (150, 150, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "tile.png")
    item = Item(tmp_path / "tile.png", 0, "p", "p", zoom=0.42)
    shown = np.asarray(loading.at_scale(item, ABOUT))
    assert shown.shape == (144, 144, 3)  # the training size: it is below `LEAST`
    tile = shown[:63, :63]
    assert np.array_equal(tile, np.asarray(Image.fromarray(pixels).resize((63, 63), Image.Resampling.BICUBIC)))
    assert np.array_equal(shown[63:126, :63], tile[::-1]) and np.array_equal(shown[:63, 63:126], tile[:, ::-1])
    (x,) = loading.picture_loader([item], ABOUT, 0)
    assert x.shape == (1, 3, 144, 144)
    tiny = preprocessing.Preprocessing(48, 64)  # no larger than the training size
    assert loading.at_scale(Item(item.path, 0, "p", "p", zoom=0.3), tiny).size == (48, 48)


def test_too_little_tissue_is_refused(place):
    with pytest.raises(DataError, match="one.png: .*too little tissue"):
        loading.at_scale(place((100, 75), 0.25), ABOUT)
