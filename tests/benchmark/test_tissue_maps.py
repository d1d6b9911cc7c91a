"""Where maps lie: measures against code that nobody here wrote, and on maps whose place is known."""

from dataclasses import replace

import numpy as np
import pytest
import quantus
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from dala.benchmark import tissue_maps
from dala.benchmark.measures import Case
from dala.heatmaps import resize
from dala.hub.tissue_maps import AUC, CEILING, STAIN, STAIN_ON_GRID, TUMOUR
from dala.phantoms import phantom


def _case(small, raw: torch.Tensor, mask: torch.Tensor | None, group: str = "a", seed: int = 3) -> Case:
    e = small.explain(phantom.make(seed, size=(128, 96)).picture, "malignant")
    return Case(
        small, replace(e, signed={"grad_cam": raw, "random": torch.rand(3, 4), "centre_gaussian": raw}), mask, group
    )


@pytest.fixture
def left() -> torch.Tensor:
    """The left half of 96 x 128 px."""
    mask = torch.zeros(96, 128, dtype=torch.bool)
    mask[:, :64] = True
    return mask


def test_relative_energy_is_quantus_over_the_area(heat, left):
    heats = torch.stack([heat, heat.flip(1)])
    masks = torch.stack([left, heat > 0.5])
    options = {"disable_warnings": True, "display_progressbar": False, "normalise": False, "abs": False}
    for i, one in enumerate(heats):
        for j, mask in enumerate(masks):
            a, s = one[None, None].numpy(), mask[None, None].numpy()
            energy = quantus.RelevanceMassAccuracy(**options)(
                model=torch.nn.Identity(), x_batch=a, y_batch=np.zeros(1, int), a_batch=a, s_batch=s
            )[0]
            expected = energy / mask.numpy().mean()
            assert float(tissue_maps.relative_energy(heats, masks)[i, j]) == pytest.approx(expected, rel=1e-5)


def test_a_flat_map_is_blind_and_one_on_the_tumour_is_not(small, left):
    flat = tissue_maps.measure([_case(small, torch.ones(3, 4), left)])
    for region, figure in flat.rows["grad_cam"]["energy"].items():
        assert figure[0] == pytest.approx(1), region
    assert flat.rows["grad_cam"][AUC][0] == pytest.approx(0.5)
    on = torch.zeros(3, 4)
    on[:, :2] = 1
    result = tissue_maps.measure([_case(small, on, left)])
    assert result.rows["grad_cam"][AUC][0] > 0.99
    assert result.rows["grad_cam"]["energy"][TUMOUR][0] == pytest.approx(result.rows[CEILING]["energy"][TUMOUR][0])
    assert result.areas[TUMOUR] == 0.5 and result.marked[TUMOUR] == 1


def test_the_auc_of_pixels_is_scikit_learns(small, left):
    raw = torch.rand(3, 4, generator=torch.Generator().manual_seed(1))
    case = _case(small, raw, left)
    rows = tissue_maps.measure([case]).rows
    stain = tissue_maps.density(case.explanation.picture)
    for name, values in (("grad_cam", case.explanation.heat("grad_cam")), (STAIN, stain)):
        assert rows[name][AUC][0] == pytest.approx(roc_auc_score(left.flatten(), values.flatten()), abs=1e-9)
    assert rows[STAIN_ON_GRID][AUC][0] != rows[STAIN][AUC][0]


def test_cell_weights_are_the_sum_of_the_upsampled_map(heat, left):
    raw = heat[:3, :4]
    weights = tissue_maps.cell_weights(left.double(), (3, 4))
    expected = float(resize.upsample(raw, (96, 128))[left].sum())
    assert float(raw.double().flatten() @ weights) == pytest.approx(expected, rel=1e-5)


def test_the_same_map_moved_about_is_blind(left):
    raw = torch.zeros(6, 8)
    raw[:, :3] = 1
    drawn = tissue_maps.blind(raw, {TUMOUR: left}, 0, draws=4000)
    assert drawn[TUMOUR].mean() == pytest.approx(1, abs=0.03)
    assert drawn[AUC].mean() == pytest.approx(0.5, abs=0.03)
    # The map itself is one of the moves: no move reaches more.
    assert drawn[AUC].max() == pytest.approx(
        roc_auc_score(np.repeat([1] * 4 + [0] * 4, 6), np.repeat([1.0] * 3 + [0.0] * 5, 6))
    )
    assert tissue_maps.blind(torch.zeros(6, 8), {TUMOUR: left}, 0) == {}


def test_regions_too_small_and_empty_maps_are_left_out(small, left):
    tiny = torch.zeros(96, 128, dtype=torch.bool)
    tiny[:2, :2] = True
    cases = [_case(small, torch.ones(3, 4), tiny, "a"), _case(small, torch.zeros(3, 4), left, "b")]
    result = tissue_maps.measure(cases)
    assert result.marked[TUMOUR] == 1
    assert result.rows["grad_cam"]["count"] == 1
    assert AUC not in result.rows["grad_cam"] and AUC in result.rows["random"]


def test_a_picture_without_any_region_is_measured_as_nothing(small):
    e = small.explain(Image.new("RGB", (128, 96), "white"), "malignant")
    case = Case(small, replace(e, signed={"grad_cam": torch.ones(3, 4)}), None, "a")
    rows = tissue_maps.measure([case]).rows
    assert set(rows["grad_cam"]["energy"]) == {"rim"}


def test_the_predicted_class_has_its_own_map(small, patch):
    predicted = small.explain(patch)
    (other,) = {*predicted.class_names} - {predicted.target}
    both = [replace(small.explain(patch, title), features=None) for title in (other, predicted.target)]
    results = [tissue_maps.measure([Case(small, e, None, "a")]) for e in both]
    assert [r.called for r in results] == [0, 1]
    assert results[0].predicted == results[1].predicted
    assert results[1].predicted["energy"] == results[1].rows["grad_cam"]["energy"]
