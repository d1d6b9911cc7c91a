"""The tab on quality shows the numbers of the report."""

import copy
import json
from dataclasses import replace

import pytest

from dala import Explainer
from dala.ui.tabs import results
from tests.support.reports import REPORT


@pytest.fixture
def beside(explainer, tmp_path):
    """The shipped network, as if it lay in a folder of its own with a report; a function that writes the report."""
    one = copy.copy(explainer)
    one.origin = replace(explainer.origin, folder=tmp_path)

    def write(**changes) -> Explainer:
        (tmp_path / "report.json").write_text(json.dumps(REPORT | changes))
        return one

    return write


def test_every_figure_is_the_reports(beside):
    page = results.page_of(beside())
    assert "40 pictures of 6 patients" in page
    assert (
        "<b>0.850</b><span>AUC of pictures</span><small>[0.75, 0.90]</small><small>colour alone 0.700</small>" in page
    )
    assert "<b>0.900</b><span>AUC of patients</span><small></small>" in page
    # Bars go from 0.5, chance, to 1.
    assert "<span>network, split by image</span><div class='track image'><i style='width:90.0%'></i>" in page
    assert "<span>network, split by patient</span><div class='track patient'><i style='width:70.0%'></i>" in page
    assert "<span>colour alone, split by patient</span><div class='track patient'><i style='width:40.0%'></i>" in page
    assert "<th scope='row'>22549</th><td>benign</td><td>9</td><td>25 %</td><td>0.31</td>" in page


def test_a_report_of_no_cross_validation_is_not_shown(beside):
    assert results.page_of(beside(scores={"figures": {"auc": None}})) == results.NOTHING


def test_text_of_a_report_cannot_bring_markup_into_the_page(beside):
    scores = copy.deepcopy(REPORT["scores"])
    scores["by_patient"][0]["patient"] = "<img src=x onerror=alert(1)>"
    page = results.page_of(beside(title="<script>alert(1)</script>", scores=scores))
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("changes", [{"scores": None}, {"scores": {"figures": {"auc": [None] * 3}}}, {"beside": [1]}])
def test_a_report_of_another_shape_is_no_traceback(beside, changes):
    assert results.page_of(beside(**changes)) == results.NOTHING


def test_the_hosts_card_is_shown_without_its_metadata_and_pictures(beside, tmp_path):
    one = beside()
    assert results.card_of(one) == ""
    (tmp_path / "README.md").write_text("---\nlicense: x\n---\n\n# Card\n\n![ROC](http://elsewhere/roc.png)\n\nText.\n")
    assert results.card_of(one).split() == ["#", "Card", "Text."]
    # In HTML and by reference a picture would still tell another server of every visitor.
    (tmp_path / "README.md").write_text(
        "# Card\n\n![ROC][roc]\n\n<IMG\nsrc='//elsewhere/roc.png'><video src='//elsewhere/x'>Text.\n"
    )
    assert results.card_of(one).split() == ["#", "Card", "Text."]


def test_the_download_holds_the_report_its_pictures_and_the_other_figures(beside, tmp_path):
    one = beside()
    (tmp_path / "roc.png").write_bytes(b"png")
    (tmp_path / "explanations.json").write_text("{}")
    (tmp_path / "shift.json").write_text("{}")
    content = results.files(one)
    assert sorted(content) == ["explanations.json", "report.json", "roc.png", "shift.json", "tissue.json"]
    assert json.loads(content["report.json"]) == REPORT
