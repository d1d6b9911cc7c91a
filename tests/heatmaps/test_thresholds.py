import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.filters import threshold_otsu

from dala.heatmaps import thresholds
from dala.heatmaps.resize import upsample
from dala.heatmaps.thresholds import RULES, ThresholdError

MAPS = arrays(np.float32, (12, 16), elements=st.floats(0, 100, width=32))


def test_mean_std_is_the_formula(heat):
    for k in (-1, 0, 1, 2.5):
        expected = heat.double().mean() + k * heat.double().std(correction=0)
        assert thresholds.apply(heat, "mean_std", k).tau == pytest.approx(expected.item(), rel=1e-6)


def test_otsu_equals_scikit_image(heat):
    assert thresholds.apply(heat, "otsu").tau == pytest.approx(threshold_otsu(heat.numpy()), rel=1e-6)


@given(MAPS)
@settings(max_examples=200, deadline=None)
def test_otsu_equals_scikit_image_on_any_map(values):
    assert thresholds.apply(torch.from_numpy(values), "otsu").tau == pytest.approx(
        float(threshold_otsu(values.astype(float))),
        rel=1e-5,  # of float32, NumPy refuses bins below 1e-45
    )


def test_percentile_keeps_its_share(heat):
    for p in (60, 80, 95):
        kept = thresholds.apply(heat, "percentile", p)
        assert kept.tau == pytest.approx(np.percentile(heat.numpy(), p), rel=1e-6)
        assert kept.kept_area == pytest.approx(1 - p / 100, abs=1e-3)


def test_share_of_max(heat):
    assert thresholds.apply(heat, "share_of_max", 0.3).tau == pytest.approx(0.3 * heat.max().item(), rel=1e-6)
    assert thresholds.apply(heat, "share_of_max", 1).mask.sum() == 1
    assert thresholds.apply(heat, "share_of_max", 0).kept_area == 1


@pytest.mark.parametrize("rule", RULES)
def test_a_pixel_is_kept_from_tau_on(heat, rule):
    kept = thresholds.apply(heat, rule)
    assert torch.equal(kept.mask, heat >= kept.tau)
    assert kept.kept_area == pytest.approx(kept.mask.double().mean().item())
    assert float(np.float32(kept.tau)) == kept.tau


@given(MAPS, st.sampled_from(sorted(RULES)))
@settings(max_examples=100, deadline=None)
def test_the_table_says_what_apply_says(values, rule):
    heat = torch.from_numpy(values)
    rows = thresholds.table(heat, rule)
    assert [r[0] for r in rows] == RULES[rule].strengths()
    for strength, tau, area in rows[:: max(1, len(rows) // 7)]:
        kept = thresholds.apply(heat, rule, strength)
        assert (kept.tau, kept.kept_area) == (tau, pytest.approx(area, abs=1e-9))


def test_a_threshold_above_the_maximum_keeps_nothing():
    two_levels = torch.full((8, 8), 0.1)
    two_levels[:4] = 0.2
    kept = thresholds.apply(two_levels, "mean_std", 4)
    assert kept.tau > 0.2
    assert kept.kept_area == 0
    assert thresholds.table(two_levels, "mean_std")[-1][2] == 0


@pytest.mark.parametrize("rule", RULES)
def test_an_empty_map_keeps_nothing_under_any_rule(rule):
    empty = torch.zeros(8, 8)
    assert thresholds.apply(empty, rule).kept_area == 0
    assert {area for *_, area in thresholds.table(empty, rule)} == {0}


@pytest.mark.parametrize("value", [0.7, 1e-6, 1e6])
def test_a_flat_map_is_kept_whole_by_a_threshold_from_its_values(value):
    # Upsampling leaves a few float32 neighbours of the value, in which there is nothing to separate.
    for flat in (torch.full((8, 8), value), upsample(torch.full((3, 5), value), (460, 700))):
        for rule in ("otsu", "share_of_max"):
            assert thresholds.apply(flat, rule).kept_area == 1
        for rule in RULES:
            assert len(thresholds.table(flat, rule)) == len(RULES[rule].strengths())


# By how much the default of a rule multiplies the value of a flat map; 1 for all others.
FLAT_FACTORS = {"share_of_max": 0.5}


def test_a_nearly_flat_map_has_a_threshold(heat):
    for spread in (1e-7, 1e-6, 1e-5, 1e-4):
        for rule in RULES:
            kept = thresholds.apply(1 + heat * spread, rule)
            assert kept.tau == pytest.approx(FLAT_FACTORS.get(rule, 1), abs=0.1)


def test_defaults_are_stops_of_the_control():
    for rule in RULES.values():
        assert rule.default in rule.strengths()
        assert rule.strengths()[0] == rule.low
        assert rule.strengths()[-1] == rule.high


def test_nonsense_is_refused(heat):
    with pytest.raises(ThresholdError, match="no threshold rule 'magic'"):
        thresholds.apply(heat, "magic")
    for strength in (-2, 9, float("nan"), float("inf")):
        with pytest.raises(ThresholdError, match="goes from -1 to 4"):
            thresholds.apply(heat, "mean_std", strength)
