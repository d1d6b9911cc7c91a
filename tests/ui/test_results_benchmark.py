"""What the page says of explanations is what the study's file says."""

import copy
import json
from dataclasses import replace

import pytest
from PIL import Image

from dala.benchmark import conclusions
from dala.heatmaps import thresholds
from dala.ui.tabs import results_benchmark

ROW = {"auc": [0.81, 0.7, 0.9], "energy": [0.4, 0.3, 0.5]}
REPORT = {
    "answers": {
        "threshold": "No <b>.",
        "rule_words": "Otsu: 0.5.",
        "areas": "Small.",
        "first_words": "Grad-CAM: best.",
    },
    "truths": {
        "phantom": {
            "model": {"words": "a network"},
            "localisation": {"grad_cam": ROW, "ceiling": ROW},
            "sanity": {"grad_cam": {"survives": 0.25}},
        }
    },
}


@pytest.fixture
def beside(explainer, tmp_path):
    one = copy.copy(explainer)
    one.origin = replace(explainer.origin, folder=tmp_path)
    return one, tmp_path / results_benchmark.FILE


def test_answers_and_numbers_are_the_files(beside):
    one, file = beside
    assert results_benchmark.page(one) == ""
    file.write_text(json.dumps(REPORT))
    page = results_benchmark.page(one)
    for words in ("No &lt;b&gt;.", "Otsu: 0.5.", "Grad-CAM: best.", "0.81", "0.40", "25 %", "ceiling"):
        assert words in page


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"answers": {}}', '{"answers": {"threshold": 1}, "truths": 3}'])
def test_a_file_that_is_none_shows_nothing(beside, content):
    one, file = beside
    file.write_text(content)
    assert results_benchmark.page(one) == ""


def test_the_app_starts_with_what_the_shipped_study_found(explainer):
    report = json.loads((explainer.origin.folder / results_benchmark.FILE).read_text())
    found = report["answers"]
    assert found == conclusions.answers(report["truths"])
    e = explainer.explain(Image.new("RGB", (64, 64)))
    assert list(e.maps) == [found["first"]]
    assert found["rule"] == thresholds.DEFAULT_RULE
    assert thresholds.RULES[found["rule"]].default == found["strength"]
    assert found["threshold"] in results_benchmark.page(explainer)
