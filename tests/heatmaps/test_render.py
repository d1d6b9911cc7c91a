import numpy as np
import pytest
import torch
from PIL import Image

from dala.heatmaps import render, thresholds


@pytest.fixture
def tissue():
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (96, 128, 3), np.uint8))


def test_an_overlay_is_the_blend_it_says_it_is(tissue, heat):
    got = np.asarray(render.overlay(tissue, heat, float(heat.max()), None, "viridis", 0.25))
    y, x = divmod(int(heat.argmax()), 128)
    expected = np.rint(np.asarray(tissue)[y, x] * 0.75 + render.palette("viridis")[255] * 0.25)
    np.testing.assert_array_equal(got[y, x], expected)
    y, x = divmod(int(heat.argmin()), 128)
    expected = np.rint(np.asarray(tissue)[y, x] * 0.75 + render.palette("viridis")[0] * 0.25)
    np.testing.assert_array_equal(got[y, x], expected)


def test_outside_the_mask_the_tissue_is_untouched(tissue, heat):
    kept = thresholds.apply(heat)
    for contour in (False, True):
        got = np.asarray(render.overlay(tissue, heat, float(heat.max()), kept.mask, contour=contour))
        np.testing.assert_array_equal(got[~kept.mask], np.asarray(tissue)[~kept.mask])
        assert (got[kept.mask] != np.asarray(tissue)[kept.mask]).any()


def test_an_outline_is_one_pixel_inside_the_mask_and_not_the_pictures_border():
    mask = torch.zeros(20, 20, dtype=torch.bool)
    mask[5:10, 0:8] = True
    got = np.asarray(render.overlay(Image.new("RGB", (20, 20)), mask.float(), 1, mask, contour=True)).any(-1)
    expected = np.zeros((20, 20), bool)
    expected[5:10, 0:8] = True
    expected[6:9, 0:7] = False
    np.testing.assert_array_equal(got, expected)


def test_a_flat_map_keeps_its_colour_and_an_empty_one_is_not_drawn(tissue):
    flat = torch.full((96, 128), 0.3)
    got = np.asarray(render.overlay(tissue, flat, 0.3, None, opacity=1))
    assert (got == render.palette()[255]).all()
    np.testing.assert_array_equal(np.asarray(render.overlay(tissue, flat * 0, 0)), np.asarray(tissue))


@pytest.mark.parametrize(
    ("y", "x", "words"),
    [(0, 0, "upper left"), (0, 64, "upper middle"), (48, 64, "centre"), (48, 120, "right"), (90, 120, "lower right")],
)
def test_place(y, x, words):
    spot = torch.zeros(96, 128)
    spot[y, x] = 1
    assert render.place(spot) == words


def test_empty_map_and_empty_threshold_are_two_sentences(heat):
    empty = torch.zeros(9, 9)
    assert "No positive evidence for benign at attention" in render.describe(
        "Grad-CAM", "benign", "attention", empty, thresholds.apply(empty)
    )
    spot = torch.zeros(9, 9) + 0.1
    spot[:5] = 0.2
    words = render.describe("Grad-CAM", "benign", "attention", spot, thresholds.apply(spot, "mean_std", 4))
    assert "above the map's maximum and keeps nothing" in words
    kept = thresholds.apply(heat)
    assert f"keeps {100 * kept.kept_area:.1f} % of the area" in render.describe(
        "Grad-CAM", "benign", "attention", heat, kept
    )


def test_palettes_exist_and_differ():
    with pytest.raises(render.RenderError, match="no palette 'magic'"):
        render.palette("magic")
    assert len({render.palette(name).tobytes() for name in render.PALETTES}) == len(render.PALETTES)
