"""Reports are read as they were written, or refused in one sentence."""

import json

import pytest

from dala.evaluation import summary
from dala.hub import report
from dala.hub.report import ReportError
from dala.models import pretrained
from tests.support.runs import predictions


def test_the_shipped_report_is_read_as_it_is():
    file = pretrained.SHIPPED / "report.json"
    assert json.dumps(report.read(file), indent=2, ensure_ascii=False) + "\n" == file.read_text()


def test_a_summary_has_the_types_that_the_reader_checks(tmp_path):
    for options in ({}, {"partitions": 1, "folds": 1}, {"zooms": ("40X", "100X")}):
        scores = summary.summary(predictions(**options), 20)
        (tmp_path / "report.json").write_text(json.dumps({"scores": scores}))
        assert report.read(tmp_path / "report.json") == {"scores": scores}


def test_parts_may_be_missing_and_unknown_keys_are_kept(tmp_path):
    (tmp_path / "report.json").write_text('{"title": "a", "ours": {"b": [1]}}')
    assert report.read(tmp_path / "report.json") == {"title": "a", "ours": {"b": [1]}}


def test_a_required_key_is_named(tmp_path):
    file = tmp_path / "report.json"
    file.write_text('{"title": "a", "network": "dala"}')
    assert report.read(file, required=("title", "network"))["network"] == "dala"
    with pytest.raises(ReportError, match=r"protocol is missing; use a report as `dala train` writes it\.$"):
        report.read(file, required=report.RUN)


SCORES = {"images": 1, "patients": 2, "partitions": 1, "folds": 1, "figures": {"auc": [0.5, None, None]}}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"title": 3}, "title is not valid (Input should be a valid string)"),
        ({"temperature": "1"}, "temperature is not valid"),
        ({"scores": None}, "scores is not valid"),
        ({"scores": {**SCORES, "folds": "5"}}, "scores.folds is not valid"),
        ({"scores": {**SCORES, "figures": {"auc": [0.5, None]}}}, "scores.figures.auc is not valid"),
        ({"scores": {k: v for k, v in SCORES.items() if k != "figures"}}, "scores.figures is missing"),
        ({"beside": [1]}, "beside is not valid"),
        ({"beside": {"a\nb": 3}}, "a value is not valid"),
        ([], "is not a JSON object."),
    ],
)
def test_a_wrong_type_is_named_in_one_sentence(tmp_path, value, words):
    file = tmp_path / "report.json"
    file.write_text(json.dumps(value))
    with pytest.raises(ReportError) as error:
        report.read(file)
    assert words in str(error.value)
    assert str(error.value).startswith(str(file)) and str(error.value).isprintable()


def test_a_file_that_cannot_be_read(tmp_path):
    file = tmp_path / "report.json"
    with pytest.raises(ReportError, match="No such file"):
        report.read(file)
    file.write_text('{"title"')
    with pytest.raises(ReportError, match="is not JSON"):
        report.read(file)
    file.write_text('{"title": "longer than ten bytes"}')
    with pytest.raises(ReportError, match="is not JSON"):
        report.read(file, most=10)
