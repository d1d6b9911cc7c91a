"""The comparison of a picture with the laboratories in training."""

import numpy as np
import pytest
from PIL import Image

from dala.images import laboratory, stain_statistics
from dala.images.detail import BANDS, SCALES, detail
from dala.images.stain import restained
from tests.support import shifted


@pytest.fixture(scope="module")
def known(patch):
    return shifted.of(patch)


def compared(known, picture):
    return known.shift(laboratory.statistics(picture), laboratory.side(picture.size))


def test_a_picture_like_those_in_training_is_quiet_and_another_stain_is_not(known, patch):
    assert not compared(known, patch).unlike
    other = compared(known, restained(patch, 2, 0.5))
    assert other.unlike
    assert other.laboratory == "Utopia"
    assert other.sentence() == (
        f"From a laboratory unlike those in training ({', '.join(other.differences)}; {other.distance:.2f} times the "
        "distance that holds 95 % of Utopia): the order of pictures may hold, the probability does not."
    )


def test_a_sharper_picture_is_called_sharper(known, patch):
    grain = np.random.default_rng(0).normal(0, 12, (*patch.size[::-1], 1))
    sharper = Image.fromarray((np.asarray(patch) + grain).clip(0, 255).astype(np.uint8))
    assert "sharper detail" in compared(known, sharper).differences
    assert "softer detail" in compared(known, patch.resize((32, 24)).resize(patch.size)).differences


def test_the_nearest_laboratory_counts(patch):
    dark = restained(patch, 2, 2)
    both = shifted.of(patch, dark)
    assert compared(both, dark).laboratory == "Atlantis"
    assert not compared(both, dark).unlike
    assert compared(shifted.of(patch), dark).unlike


def test_pictures_of_another_scale_are_not_compared_while_there_are_others(patch):
    both = shifted.of(patch, restained(patch, 2, 2))
    tiny = both.sources[1]
    assert tiny.comparable(tiny.side * 4)
    assert not tiny.comparable(tiny.side * 4.01)
    values = laboratory.statistics(restained(patch, 2, 2))
    object.__setattr__(tiny, "side", tiny.side / 5)
    assert both.shift(values, laboratory.side(patch.size)).laboratory == "Utopia"
    assert both.shift(values, 1e6).laboratory == "Atlantis"  # all, since none is comparable


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 3), (4000, 1), (7, 300)])
def test_any_size_has_finite_statistics(size, known):
    picture = Image.new("RGB", size, (200, 120, 180))
    assert np.isfinite(list(laboratory.statistics(picture).values())).all()
    assert np.isfinite(compared(known, picture).distance)


def test_a_picture_reduced_before_has_the_same_detail(patch):
    large = patch.resize((900, 600))
    assert detail(stain_statistics.reduced(large)) == detail(large)
    assert list(detail(patch)) == [f"detail_{band}_{scale}" for scale in SCALES for band in BANDS]


def test_detail_is_the_mean_laplacian_of_each_band():
    grey = np.full((20, 20, 3), 128, np.uint8)
    grey[::2, ::2] = grey[1::2, 1::2] = 64  # a chessboard: neighbours differ by log10(129 / 65)
    values = detail(Image.fromarray(grey))
    assert values["detail_density_1"] == pytest.approx(np.log(np.log10(129 / 65) + 0.002), abs=1e-3)
    assert values["detail_red_1"] == values["detail_green_1"] == pytest.approx(np.log(0.002))
    assert values["detail_density_2"] == pytest.approx(np.log(0.002), abs=1e-3)  # even at half the size


def test_every_statistic_has_words():
    assert set(laboratory.WORDING) < set(shifted.NAMES)
    assert all(len(pair) == 2 for pair in laboratory.WORDING.values())
