"""Studies of explanations are read as they were written, or refused in one sentence."""

import copy
import json

import pytest

from dala.hub import study
from dala.hub.study import StudyFileError
from dala.models import pretrained
from tests.support.reports import STUDY


def test_the_shipped_study_is_read_as_it_is():
    file = pretrained.SHIPPED / "explanations.json"
    assert json.dumps(study.read(file), indent=1, ensure_ascii=False) + "\n" == file.read_text()


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (
            "model",
            {"words": 3, "sha256": []},
            "truths.phantom.model.words is not valid (Input should be a valid string)",
        ),
        ("localisation", {"grad_cam": {}}, "truths.phantom.localisation.grad_cam.count is missing"),
        ("thresholds", {"otsu": {"global": "0.5"}}, "truths.phantom.thresholds.otsu.count is missing"),
        ("sanity", {"grad_cam": 1}, "truths.phantom.sanity.grad_cam is not valid"),
        ("stability", {"grad_cam": {"flip": [0.5]}}, "truths.phantom.stability.grad_cam.flip is not valid"),
    ],
)
def test_a_wrong_type_is_named_in_one_sentence(tmp_path, key, value, words):
    changed = copy.deepcopy(STUDY)
    changed["truths"]["phantom"][key] = value
    file = tmp_path / "explanations.json"
    file.write_text(json.dumps(changed))
    with pytest.raises(StudyFileError) as error:
        study.read(file)
    assert words in str(error.value)
    assert str(error.value).startswith(str(file)) and str(error.value).isprintable()
