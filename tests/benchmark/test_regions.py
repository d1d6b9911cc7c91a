"""Regions that pixels alone define: on hand-made pictures, and with scikit-image's threshold."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import rgb2hed
from skimage.filters import threshold_otsu

from dala.benchmark import regions
from dala.benchmark.regions import REGIONS
from dala.phantoms import phantom

PINK, BLUE, WHITE = (226, 150, 190), (80, 60, 140), (244, 242, 243)


@pytest.fixture
def tissue() -> np.ndarray:
    """Pink tissue (128, 160, 3) with a blue nucleus at (60, 40) and a red cell without haematoxylin at (60, 90)."""
    pixels = np.full((128, 160, 3), PINK, float)
    pixels[50:70, 30:50] = BLUE
    pixels[50:70, 80:100] = (235, 40, 90)
    return (pixels + np.random.default_rng(0).normal(0, 4, pixels.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def drawn(tissue) -> Image.Image:
    """The same with glass from row 90."""
    tissue[90:] = WHITE
    return Image.fromarray(tissue)


def test_nuclei_are_blue_and_dark_stain_is_any(tissue):
    picture = Image.fromarray(tissue)
    nuclei, stained = REGIONS["nuclei"].mark(picture), REGIONS["stained"].mark(picture)
    assert nuclei[50:70, 30:50].all() and stained[50:70, 30:50].all()
    assert not nuclei[50:70, 80:100].any() and stained[50:70, 80:100].all()
    assert int(nuclei.sum()) == pytest.approx(400, abs=4) and int(stained.sum()) == pytest.approx(800, abs=8)


def test_glass_is_where_nothing_absorbs(drawn):
    glass = REGIONS["glass"].mark(drawn)
    assert glass[100:].all() and not glass[:85].any()
    # A gap narrower than a nucleus is none.
    pixels = np.asarray(drawn).copy()
    pixels[20:23, 20:23] = WHITE
    assert not REGIONS["glass"].mark(Image.fromarray(pixels))[:85].any()


def test_the_rim_is_a_cell_wide():
    rim = REGIONS["rim"].mark(Image.new("RGB", (160, 128)))
    assert int(rim.sum()) == 160 * 128 - 96 * 64
    assert rim[31, 80] and not rim[32, 80]


def test_the_threshold_is_scikit_images():
    picture = phantom.make(3, size=(160, 128)).picture
    for name, values in (("stained", regions.density(picture)), ("nuclei", regions._density(picture)[0])):
        expected = values.numpy() > threshold_otsu(values.numpy().astype(float))
        assert float((REGIONS[name].mark(picture).numpy() != expected).mean()) < 0.01, name


def test_nuclei_hold_more_haematoxylin_than_the_rest():
    picture = phantom.make(5, size=(160, 128)).picture
    haematoxylin = torch.from_numpy(rgb2hed(np.asarray(picture))[..., 0])
    nuclei = REGIONS["nuclei"].mark(picture)
    assert haematoxylin[nuclei].quantile(0.25) > haematoxylin[~nuclei].median()


def test_density_adds_up_amounts_of_stain():
    white, grey = (regions.density(Image.new("RGB", (4, 4), (v, v, v))) for v in (255, 127))
    assert white.max() == 0
    assert grey[0, 0] == pytest.approx(np.log10(2))
