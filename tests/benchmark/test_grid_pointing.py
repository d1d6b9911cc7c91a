"""Mosaics of four patches."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from dala.benchmark.grid_pointing import LAYOUTS, MosaicError, compose, draw


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_mask_is_where_the_first_class_lies(layout):
    reds, blues = ([Image.new("RGB", (40, 30), c)] * 2 for c in ("red", "blue"))
    picture, mask = compose(reds, blues, layout)
    pixels = np.asarray(picture)
    assert picture.size == (80, 60)
    assert mask.mean() == 0.5
    assert (pixels[mask] == (255, 0, 0)).all()
    assert (pixels[~mask] == (0, 0, 255)).all()


def test_every_patch_of_a_mosaic_is_used_once():
    shades = [Image.new("RGB", (4, 3), (i, 0, 0)) for i in (10, 20, 30, 40)]
    picture, _ = compose(shades[:2], shades[2:], (1, 2))
    assert [picture.getpixel(p)[0] for p in ((0, 0), (4, 0), (0, 3), (4, 3))] == [30, 10, 20, 40]


def test_the_two_of_a_class_are_of_two_patients_where_there_are_two():
    first, second = ["a"] * 50 + ["b", "c"], ["z", "z", "z"]
    drawn = draw(first, second, 300)
    assert all(first[i] != first[j] for (i, j), _, _ in drawn)
    assert all(i != j for _, (i, j), _ in drawn)
    # Patients, not pictures, are drawn: the one with 50 pictures comes up as often as the others.
    counts = Counter(first[i] for pair, _, _ in drawn for i in pair)
    assert max(counts.values()) < 1.3 * min(counts.values())
    assert {layout for *_, layout in drawn} == set(LAYOUTS)
    assert drawn == draw(first, second, 300)


def test_what_makes_no_mosaic_is_refused():
    one, other = Image.new("RGB", (4, 3)), Image.new("RGB", (5, 3))
    with pytest.raises(MosaicError, match="one size"):
        compose([one, other], [one, one], (0, 1))
    with pytest.raises(MosaicError, match="two patches"):
        draw(["a"], ["b", "c"], 1)
