"""The lesson on laboratories shows the numbers of the table, and is absent without one."""

import copy
import json
import re
from dataclasses import replace

import pytest

from dala.lessons import svg
from dala.publishing.card_notes import CardNotes
from dala.ui.tabs import results, results_laboratories
from tests.support.laboratories import TABLE
from tests.support.reports import REPORT


@pytest.fixture
def beside(explainer, tmp_path):
    one = copy.copy(explainer)
    one.origin = replace(explainer.origin, folder=tmp_path)
    return one, tmp_path / "laboratories.json"


def section(one):
    return results_laboratories.section(one, CardNotes(names={"earlier": "<i>earlier"}))


def test_the_lesson_is_the_tables(beside):
    one, file = beside
    assert section(one) == ""
    file.write_text(json.dumps(TABLE))
    page = section(one)
    assert "The recipe that wins at home can lose outside" in page
    assert "&lt;i&gt;earlier ranks pictures best, with an AUC of 0.87" in page and "<i>earlier" not in page
    assert "<li><span>DALAResNet50</span><b>0.86</b><b>0.75</b></li>" in page
    assert page.count("<circle") == 3 and "mean over Tissue tiles, Fields" in page
    assert "<td>0.860 [0.76, 0.91]</td>" in page and "Atypical regions: One class alone." in page


def test_it_stands_in_the_tab_beside_the_other_lessons(beside):
    one, file = beside
    (file.parent / "report.json").write_text(json.dumps(REPORT))
    assert "can lose outside" not in results.page_of(one)
    file.write_text(json.dumps(TABLE))
    page = results.page_of(one)
    assert page.index("Confounding") < page.index("can lose outside") < page.index("By patient, worst first")
    assert json.loads(results.files(one)["laboratories.json"]) == TABLE


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"recipes": {}, "laboratories": {}, "command": "", "resamples": 1}']
)
def test_a_table_that_shows_nothing_is_absent(beside, content):
    one, file = beside
    file.write_text(content)
    assert section(one) == ""


def test_one_recipe_is_no_lesson(beside):
    one, file = beside
    file.write_text(json.dumps(TABLE | {"recipes": {"dala": TABLE["recipes"]["dala"]}}))
    assert section(one) == ""


def test_points_lie_at_their_values_and_share_a_label_where_they_coincide():
    drawn = svg.plane([(0.9, 0.6), (0.7, 0.7), (0.9, 0.601)], ("x", "y"), "three")
    dots = {k: (float(x), float(y)) for x, y, k in re.findall(r'cx="([\d.]+)" cy="([\d.]+)".*?<title>(\d)', drawn)}
    # From 0.47 to 1, over 330 units.
    assert dots["1"] == pytest.approx((40 + 330 * 0.43 / 0.53, 354 - 330 * 0.13 / 0.53), abs=0.1)
    assert dots["2"][0] - 40 == pytest.approx(354 - dots["2"][1], abs=0.15)
    assert ">1, 3</text>" in drawn and ">2</text>" in drawn and ">3</text>" not in drawn
