"""The section on where maps lie shows the answers and numbers of its file."""

import copy
import json
from dataclasses import replace

import pytest
from markupsafe import escape

from dala.benchmark import tissue_conclusions
from dala.ui.tabs import results, results_maps
from tests.support.reports import TISSUE_MAPS


@pytest.fixture
def beside(explainer, tmp_path):
    one = copy.copy(explainer)
    one.origin = replace(explainer.origin, folder=tmp_path)
    return one, tmp_path / results_maps.FILE


def test_answers_and_numbers_are_those_of_the_file(beside):
    one, file = beside
    assert results_maps.page(one) == ""
    file.write_text(json.dumps(TISSUE_MAPS))
    page = results_maps.page(one)
    for words in tissue_conclusions.answers(TISSUE_MAPS).values():
        assert escape(words) in page
    assert "<th scope='row'>Fields</th><td>1.02 [0.92, 1.12]</td>" in page
    assert "<td>1.30 [1.20, 1.40] +</td><td>–</td></tr>" in page
    # The axis goes from 0 to 1.
    assert "<u style='left:55.0%'></u></div><b>0.55</b>" in page
    assert "<i style='left:44.0%;width:12.0%'></i><s style='left:50.0%;width:10.0%'></s>" in page
    assert page.count("<figure>") == 1
    assert results.files(one)[results_maps.FILE] == file.read_bytes()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"sets": {"fields": 1}}'])
def test_an_invalid_file_shows_nothing(beside, content):
    one, file = beside
    file.write_text(content)
    assert results_maps.page(one) == ""


def test_a_file_of_another_version_shows_nothing(beside):
    one, file = beside
    other = copy.deepcopy(TISSUE_MAPS)
    del other["sets"]["fields"]["rows"]["stain_on_grid"]
    file.write_text(json.dumps(other))
    assert results_maps.page(one) == ""


def test_text_of_the_file_cannot_bring_markup_into_the_page(beside):
    one, file = beside
    bad = copy.deepcopy(TISSUE_MAPS)
    bad["sets"]["fields"] |= {"title": "<img src=x>", "words": "<b>", "model": {"words": "<i onload>", "sha256": []}}
    file.write_text(json.dumps(bad))
    page = results_maps.page(one)
    assert "<img src=x" not in page and "<i onload" not in page and "&lt;img src=x&gt;" in page
