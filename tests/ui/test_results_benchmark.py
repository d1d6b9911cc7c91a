"""The section on explanations shows the answers and numbers of the benchmark file."""

import copy
import json
from dataclasses import replace

import pytest
from PIL import Image

from dala.benchmark import conclusions
from dala.heatmaps import thresholds
from dala.ui.tabs import results_benchmark
from tests.support.reports import STUDY


@pytest.fixture
def beside(explainer, tmp_path):
    one = copy.copy(explainer)
    one.origin = replace(explainer.origin, folder=tmp_path)
    return one, tmp_path / results_benchmark.FILE


def test_answers_and_numbers_are_those_of_the_file(beside):
    one, file = beside
    assert results_benchmark.page(one) == ""
    file.write_text(json.dumps(STUDY))
    page = results_benchmark.page(one)
    for words in ("No &lt;b&gt;.", "Otsu: 0.5.", "Grad-CAM: best.", "0.81", "0.40", "25 %", "ceiling"):
        assert words in page


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"answers": {}}', '{"answers": {"threshold": 1}, "truths": 3}'])
def test_an_invalid_file_shows_nothing(beside, content):
    one, file = beside
    file.write_text(content)
    assert results_benchmark.page(one) == ""


def test_the_defaults_of_the_app_are_the_answers_of_the_shipped_benchmark(explainer):
    report = json.loads((explainer.origin.folder / results_benchmark.FILE).read_text())
    answers = report["answers"]
    assert answers == conclusions.answers(report["truths"])
    e = explainer.explain(Image.new("RGB", (64, 64)))
    assert list(e.maps) == [answers["first"]]
    assert answers["rule"] == thresholds.DEFAULT_RULE
    assert thresholds.RULES[answers["rule"]].default == answers["strength"]
    assert answers["threshold"] in results_benchmark.page(explainer)
