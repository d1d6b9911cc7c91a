"""What the page says of a network's quality is what its report says."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dala import Explainer, weights
from dala.ui import results


@pytest.fixture
def beside(explainer, tmp_path):
    """The shipped network, as if it lay in a folder of its own with a report; and a function that writes the report."""
    origin = replace(explainer.origin, folder=tmp_path)
    one = copy.copy(explainer)
    one.origin = origin
    report = json.loads((weights.SHIPPED / "report.json").read_text())

    def write(**changes) -> Explainer:
        (tmp_path / "report.json").write_text(json.dumps(report | changes))
        return one

    return write


def test_every_figure_is_the_reports(explainer):
    report = json.loads((weights.SHIPPED / "report.json").read_text())
    told = results.page_of(explainer)
    for key in results.COLUMNS:
        value, low, high = report["scores"]["figures"][key]
        assert f"<b>{value:.2f}</b>" in told
        assert f"{low:.2f} to {high:.2f}" in told
        for row in report["beside"].values():
            assert f"<td>{row['figures'][key][0]:.2f} <small>" in told
    for row in report["scores"]["by_patient"]:
        assert f"<th scope='row'>{row['patient']}</th>" in told
    image = report["image_wise"]["figures"]["auc"][0]
    assert (
        f"<span>network, split by image</span><div class='track image'><i style='width:{200 * (image - 0.5):.1f}%'>"
        in told
    )
    assert told.count("<img alt='") == 3


def test_text_of_a_report_cannot_bring_markup_into_the_page(beside):
    scores = json.loads((weights.SHIPPED / "report.json").read_text())["scores"]
    scores["by_patient"][0]["patient"] = "<img src=x onerror=alert(1)>"
    told = results.page_of(beside(title="<script>alert(1)</script>", scores=scores))
    assert "<script" not in told
    assert "<img src" not in told
    assert "&lt;script&gt;" in told


@pytest.mark.parametrize("changes", [{"scores": None}, {"scores": {"figures": {"auc": [None] * 3}}}, {"beside": [1]}])
def test_a_report_of_another_shape_is_no_traceback(beside, changes):
    assert results.page_of(beside(**changes)) == results.NOTHING


def test_weights_without_a_report_say_so(explainer, tmp_path):
    for name in ("model.safetensors", "config.json"):
        shutil.copy(weights.SHIPPED / name, Path(tmp_path) / name)
    assert "nothing is known" in results.page_of(Explainer.load(tmp_path, device="cpu"))
