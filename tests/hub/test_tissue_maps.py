"""Measures of maps on real tissue are read as they were written, or refused in one sentence."""

import copy
import json

import pytest

from dala.hub import tissue_maps
from dala.hub.tissue_maps import TissueMapsError
from tests.support.reports import TISSUE_MAPS


def test_a_file_is_read_as_it_is(tmp_path):
    file = tmp_path / "tissue_maps.json"
    file.write_text(json.dumps(TISSUE_MAPS))
    assert tissue_maps.read(file) == TISSUE_MAPS


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("rows", {"grad_cam": {"count": 1}}, "sets.fields.rows.grad_cam.energy is missing"),
        ("predicted", {"count": 1, "energy": {"rim": [1]}}, "sets.fields.predicted.energy.rim is not valid"),
        ("blind", {"energy": {"rim": [1, 2, 3]}}, "sets.fields.blind.energy.rim is not valid"),
        ("called", "two", "sets.fields.called is not valid"),
    ],
)
def test_a_wrong_type_is_named_in_one_sentence(tmp_path, key, value, words):
    changed = copy.deepcopy(TISSUE_MAPS)
    changed["sets"]["fields"][key] = value
    file = tmp_path / "tissue_maps.json"
    file.write_text(json.dumps(changed))
    with pytest.raises(TissueMapsError) as error:
        tissue_maps.read(file)
    assert words in str(error.value)
    assert str(error.value).startswith(str(file)) and str(error.value).isprintable()
