import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from dala.heatmaps import render, thresholds


@pytest.fixture
def tissue():
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (96, 128, 3), np.uint8))


def test_an_overlay_is_the_blend_it_says_it_is(tissue, heat):
    got = np.asarray(render.overlay(tissue, heat, float(heat.max()), None, "viridis", 0.25, "veil"))
    y, x = divmod(int(heat.argmax()), 128)
    expected = np.rint(np.asarray(tissue)[y, x] * 0.75 + render.palette("viridis")[255] * 0.25)
    np.testing.assert_array_equal(got[y, x], expected)
    y, x = divmod(int(heat.argmin()), 128)
    expected = np.rint(np.asarray(tissue)[y, x] * 0.75 + render.palette("viridis")[0] * 0.25)
    np.testing.assert_array_equal(got[y, x], expected)


def test_the_opacity_of_the_lamp_follows_the_value(tissue, heat):
    top, pixels = float(heat.max()), np.asarray(tissue)
    got = np.asarray(render.overlay(tissue, heat, top, colours="magma", opacity=0.6))
    for spot in (int(heat.argmax()), int(heat.argmin()), 777):
        y, x = divmod(spot, 128)
        share = float(heat[y, x]) / top
        colour = render.palette("magma")[min(255, int(share * 255 + 0.5))]
        np.testing.assert_allclose(got[y, x], pixels[y, x] * (1 - 0.6 * share) + colour * 0.6 * share, atol=0.51)


def test_a_lamp_leaves_the_kept_tissue_and_dims_the_rest(tissue, heat):
    mask, pixels = thresholds.apply(heat).mask.numpy(), np.asarray(tissue)
    got = np.asarray(render.overlay(tissue, heat, float(heat.max()), torch.from_numpy(mask)))
    near = ndimage.binary_dilation(mask, iterations=3) & ~ndimage.binary_erosion(mask, iterations=3, border_value=1)
    np.testing.assert_array_equal(got[mask & ~near], pixels[mask & ~near])
    dark, bright = (x[~mask & ~near].astype(float) for x in (got, pixels))
    assert dark.mean() < 0.55 * bright.mean()
    assert np.ptp(dark, axis=1).mean() < 0.2 * np.ptp(bright, axis=1).mean(), "less saturated"


def test_outside_the_mask_a_veil_leaves_the_tissue(tissue, heat):
    kept = thresholds.apply(heat)
    got = np.asarray(render.overlay(tissue, heat, float(heat.max()), kept.mask, look="veil"))
    np.testing.assert_array_equal(got[~kept.mask], np.asarray(tissue)[~kept.mask])
    assert (got[kept.mask] != np.asarray(tissue)[kept.mask]).any()


@pytest.mark.parametrize("look", ["lamp", "outline"])
def test_an_outline_is_white_with_a_dark_rim_and_not_the_pictures_border(look):
    mask = np.zeros((20, 20), bool)
    mask[5:15, 0:12] = True
    got = np.asarray(render.overlay(Image.new("RGB", (20, 20), "#808080"), torch.from_numpy(mask) * 1.0, 1,
                                    torch.from_numpy(mask), look=look))  # fmt: skip
    cross = ndimage.generate_binary_structure(2, 1)
    white = mask & ~ndimage.binary_erosion(mask, cross, 2, border_value=1)
    rim = ndimage.binary_dilation(mask, cross) & ~mask
    np.testing.assert_array_equal((got == 255).all(-1), white)
    np.testing.assert_array_equal((got == 0).all(-1), rim)


def test_a_look_that_does_not_exist(tissue, heat):
    with pytest.raises(render.RenderError, match="no look 'neon': choose one of lamp, veil, outline"):
        render.overlay(tissue, heat, 1.0, look="neon")


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
