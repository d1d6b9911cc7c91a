"""Measures of a map against a mask."""

import numpy as np
import pytest
import quantus
import torch
from sklearn.metrics import roc_auc_score

from dala.heatmaps.localization import LocalisationError, ceiling, iou, localise, pixel_auc


@pytest.fixture
def mask() -> torch.Tensor:
    """A disc over a fifth of 96x128 px."""
    y, x = torch.meshgrid(torch.arange(96), torch.arange(128), indexing="ij")
    return (y - 40) ** 2 + (x - 70) ** 2 < 28**2


def test_the_mask_itself_is_perfect_and_its_opposite_is_none(mask):
    best, worst = localise(mask.float(), mask), localise((~mask).float(), mask)
    assert (best.energy, best.pointing, best.auc, best.area_iou) == (1, 1, 1, 1)
    assert (worst.energy, worst.pointing, worst.auc) == (0, 0, 0)


def test_a_flat_map_has_the_share_of_the_area_everywhere(mask):
    flat, share = localise(torch.ones(96, 128), mask), float(mask.double().mean())
    assert flat.energy == pytest.approx(share)
    assert flat.pointing == pytest.approx(share)
    assert flat.auc == 0.5
    # A random region of the mask's own size meets it in share of its pixels.
    assert flat.area_iou == pytest.approx(share / (2 - share))


def test_the_ranking_is_scikit_learns(heat, mask):
    for values in (heat, (8 * heat).round()):
        expected = roc_auc_score(mask.flatten(), values.flatten())
        assert pixel_auc(values, mask) == pytest.approx(expected, abs=1e-12)


def test_energy_and_pointing_by_hand():
    heat = torch.tensor([[0.0, 1.0], [3.0, 3.0]])
    result = localise(heat, torch.tensor([[False, False], [True, False]]))
    assert result.energy == pytest.approx(3 / 7)
    assert result.pointing == 0.5
    assert result.area_iou == pytest.approx(0.5 / 1.5)


def test_energy_and_pointing_are_quantus(heat, mask):
    a, s = heat[None, None].numpy(), mask[None, None].numpy()
    batch = {"model": torch.nn.Identity(), "x_batch": a, "y_batch": np.zeros(1, int), "a_batch": a, "s_batch": s}
    options = {"disable_warnings": True, "display_progressbar": False, "normalise": False, "abs": False}
    energy = quantus.RelevanceMassAccuracy(**options)(**batch)[0]
    assert localise(heat, mask).energy == pytest.approx(energy, abs=1e-6)
    assert localise(heat, mask).pointing == float(quantus.PointingGame(**options)(**batch)[0])


def test_iou_by_hand():
    kept = torch.tensor([True, True, False, False])
    assert iou(kept, torch.tensor([False, True, True, False])) == pytest.approx(1 / 3)
    assert iou(torch.zeros(4, dtype=bool), kept) == 0


def test_the_ceiling_is_the_mask_on_a_coarse_grid(mask):
    fine, coarse = localise(ceiling(mask, (48, 64)), mask), localise(ceiling(mask, (3, 4)), mask)
    assert 0.5 < coarse.energy < fine.energy < 1
    assert coarse.auc < fine.auc <= 1


@pytest.mark.parametrize(
    ("size", "fill", "top", "words"),
    [((4, 5), True, 1, "pixels"), ((4, 4), False, 1, "nothing or everything"), ((4, 4), True, 0, "zero everywhere")],
)
def test_what_cannot_be_measured_is_refused(size, fill, top, words):
    mask = torch.zeros(size, dtype=bool)
    mask[:2] = fill
    with pytest.raises(LocalisationError, match=words):
        localise(torch.full((4, 4), float(top)), mask)
