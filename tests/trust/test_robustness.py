"""Perturbations of a picture, and maps mapped back."""

import numpy as np
import pytest
import torch
from PIL import Image

from dala.images.stain import restained
from dala.trust.robustness import PERTURBATIONS, StabilityError, stable


@pytest.mark.parametrize("name", list(PERTURBATIONS))
def test_what_is_changed_and_changed_back_is_the_same(name, patch):
    change = PERTURBATIONS[name]
    pixels = torch.from_numpy(np.asarray(patch.convert("L")).astype(np.float32))
    changed = torch.from_numpy(np.asarray(change.apply(patch).convert("L")).astype(np.float32))
    back = change.restore(changed)
    assert back.shape == pixels.shape
    difference = (change.common(back) - change.common(pixels)).abs()
    if change.kind == "stain":
        assert 0.5 < difference.mean() < 12
    else:
        assert difference.max() == 0


def test_stains_are_multiplied(patch):
    same = np.asarray(restained(patch, 1, 1), int) - np.asarray(patch, int)
    assert abs(same).max() <= 1
    darker, paler = (np.asarray(restained(patch, f, f), float).mean() for f in (1.1, 0.9))
    assert darker < np.asarray(patch, float).mean() < paler
    # Haematoxylin takes away red, eosin hardly does.
    blue, pink = (np.asarray(restained(patch, *f), float)[..., 0].mean() for f in ((1.2, 1), (1, 1.2)))
    assert blue < pink


def test_a_map_that_looks_at_nothing_stays(small, patch):
    e = small.explain(patch, "malignant", methods=("grad_cam", "centre_gaussian"))
    results = stable(small, e)
    assert [s.label for s in results["grad_cam"].values()] == [c.label for c in PERTURBATIONS.values()]
    for change in results["centre_gaussian"].values():
        assert change.correlation > 0.99
    shifted = [s.correlation for s in results["grad_cam"].values() if s.kind == "shift"]
    assert np.mean(shifted) > 0.5
    assert all(0 <= s.probability <= 1 for s in results["grad_cam"].values())
    assert all(s.heat.shape == (96, 128) for s in results["grad_cam"].values())


def test_it_is_the_network_that_sees_the_changed_picture(small, patch):
    e = small.explain(patch, "malignant")
    result = stable(small, e)["grad_cam"]["flip_x"]
    turned = small.explain(patch.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "malignant")
    assert result.probability == pytest.approx(turned.probabilities["malignant"], abs=1e-6)
    assert torch.equal(result.heat, turned.heat().flip(1))


def test_what_cannot_be_compared_is_refused(small, patch):
    with pytest.raises(StabilityError, match="explain a class"):
        stable(small, small.explain(patch, ("malignant", "benign")))
