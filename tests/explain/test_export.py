"""Several maps as files: at one kept area, on one colour scale."""

import json

import numpy as np
import pytest
import torch

from dala.explain import export
from dala.heatmaps import render, thresholds

METHODS = ("grad_cam", "layer_cam", "random")


@pytest.fixture(scope="module")
def explanation(small, patch):
    return small.explain(patch, methods=METHODS)


def test_at_one_kept_area_the_first_keeps_its_threshold_and_the_others_come_near(explanation):
    own = export.thresholds(explanation, "mean_std", 1.0)
    level = export.thresholds(explanation, "mean_std", 1.0, level=True)
    assert torch.equal(level["grad_cam"].mask, own["grad_cam"].mask)
    for method in METHODS[1:]:
        areas = [area for _, _, area in thresholds.table(explanation.heat(method), "percentile")]
        nearest = min(areas, key=lambda area: abs(area - own["grad_cam"].kept_area))
        assert level[method].kept_area == pytest.approx(nearest)
        assert abs(nearest - own["grad_cam"].kept_area) < 0.01


def test_on_one_scale_every_map_is_drawn_by_the_largest_maximum(explanation):
    kept, e = export.thresholds(explanation), explanation
    shared, own = export.pictures(e, kept, shared=True), export.pictures(e, kept)
    top = max(float(raw.max()) for raw in e.maps.values())
    for method in METHODS:
        np.testing.assert_array_equal(shared[method], render.overlay(e.picture, e.heat(method), top))
    largest = max(e.maps, key=lambda method: float(e.maps[method].max()))
    assert [m for m in METHODS if np.array_equal(shared[m], own[m])] == [largest]


def test_an_empty_map_stays_bare_on_the_scale_of_another(small, patch):
    e = small.explain(patch, lambda logits: 0 * logits.sum(1), methods=("grad_cam", "random"))
    np.testing.assert_array_equal(export.pictures(e, export.thresholds(e), shared=True)["grad_cam"], e.picture)


def test_the_files_are_as_the_switches_say(small, explanation):
    files = export.files(explanation, small, "mean_std", 1.0, {"shared": True}, level=True)
    content = json.loads(files["explanation.json"])
    level = export.thresholds(explanation, "mean_std", 1.0, level=True)
    assert content["kept_area"] == {method: kept.kept_area for method, kept in level.items()}
    assert content["rule"] == "mean_std"
