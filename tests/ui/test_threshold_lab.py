"""The threshold lab's handlers, figure and files, without a browser."""

import base64
import csv
import io
import json
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import torch
from PIL import Image

from dala import style
from dala.explain import export
from dala.heatmaps import thresholds
from dala.lessons import threshold_figure, threshold_lab, threshold_lab_files
from dala.phantoms import phantom
from dala.publishing import samples
from dala.trust import curves, deletion
from dala.ui.current import Current, Source
from dala.ui.model_cache import HOST, ModelCache
from dala.ui.session import Page
from dala.ui.sidebar.patch import Patch
from dala.ui.tabs.threshold_lab import Lab

STRENGTHS = {"mean_std": 1.5, "otsu": None, "percentile": 90, "share_of_max": 0.3}
CHOSEN = {
    "rule": "percentile", "strengths": STRENGTHS, "palette": "viridis", "opacity": 0.5, "look": "veil",
    "scale": "margin",
}  # fmt: skip


@pytest.fixture
def content(small) -> Lab:
    with gr.Blocks():
        return Lab(Page(ModelCache(small), first="lab"))


@pytest.fixture
def current(content, patch_file) -> Current:
    return Patch(content.page, samples.find())._explain(Source(patch_file), HOST)


def request(run: int = 1, baseline: str = "mean", controls: bool = False) -> gr.EventData:
    return gr.EventData(None, {"run": run, "baseline": baseline, "controls": controls})


def measured(content: Lab, current: Current, **event) -> tuple[list[dict], tuple[str, deletion.KeepRemove]]:
    """Messages of a measurement to the charts, and its result for the download."""
    messages, results = zip(*content.measure(current, "grad_cam", request(**event)), strict=True)
    return [json.loads(text) for text in messages], results[-1]


def test_the_charts_get_the_map_and_the_output_for_the_whole_picture(content, current):
    sent, e = content.show(current, "grad_cam"), current.explanation
    assert sent["charts"]["plain"] == {
        "probability": e.probabilities[e.target],
        "margin": pytest.approx(float(e.logits.max() - e.logits.min())),
    }
    assert sum(sent["charts"]["bins"]) + sent["charts"]["zero"] == pytest.approx(1)
    assert json.loads(json.dumps(sent))["panels"][1]["title"] == "DT Grad-CAM"
    assert content.show(None, "grad_cam") is None
    other = content.choose(current, "layer_cam")
    assert other["charts"]["key"] != sent["charts"]["key"]
    with pytest.raises(gr.Error, match="no method 'magic'"):
        content.choose(current, "magic")


def test_a_measurement_reports_progress_and_is_cached(content, current, small, monkeypatch):
    messages, (key, result) = measured(content, current, run=7)
    *going, last = messages
    assert {t["run"] for t in messages} == {7}
    assert [t["done"] for t in going] == [*range(2, 31, 2), 31]
    assert {t["total"] for t in going} == {31}
    assert last["runs"] == result.runs == 31
    assert last["curves"][0]["margin"] == [list(side) for side in result.curves["grad_cam"].pair("margin")]
    monkeypatch.setattr(small.engine, "network", None)  # any run of the network would fail
    again, (_, same) = measured(content, current, run=8)
    assert len(again) == 1
    assert again[0] == last | {"run": 8}
    assert same is result
    assert key == content.show(current, "grad_cam")["charts"]["key"]
    # The same picture, explained anew, as for the next visitor.
    assert len(measured(content, current.with_explanation(current.explanation))[0]) == 1


@pytest.mark.slow
def test_another_picture_and_other_choices_are_measured_anew(content, current, small):
    _, (key, result) = measured(content, current)
    picture = phantom.make(4, size=(128, 96)).picture
    other = current.with_explanation(replace(small.explain(picture, current.explanation.target)))
    _, (other_key, other_result) = measured(content, other)
    assert (other_key, other_result.curves) != (key, result.curves)
    assert measured(content, current, baseline="white")[1][1].baseline == "white"
    messages, (_, three) = measured(content, current, controls=True)
    assert len(messages) > 40
    assert list(three.curves) == ["grad_cam", "random", "centre_gaussian"]


def test_a_failure_is_reported_to_the_charts_and_in_a_sentence(content, current, small, monkeypatch):
    def fails(x, *rest):
        raise torch.OutOfMemoryError

    with monkeypatch.context() as broken:
        broken.setattr(small.engine, "network", fails)
        for source, words in ((None, "expired"), (current, "memory is too small")):
            going = content.measure(source, "grad_cam", request(3))
            assert json.loads(next(going)[0]) == {"run": 3, "failed": True}
            with pytest.raises(gr.Error, match=words):
                next(going)
    assert len(measured(content, current)[0]) > 1


def test_a_measurement_that_is_stopped_leaves_nothing_behind(content, current):
    going = content.measure(current, "grad_cam", request())
    next(going)
    going.close()
    assert not content._results
    assert len(measured(content, current)[0]) == 17


def test_the_cache_of_curves_is_bounded(content, current, monkeypatch):
    monkeypatch.setattr(content._results, "capacity", 1)
    for baseline in ("mean", "white"):
        measured(content, current, baseline=baseline)
    assert len(content._results) == 1
    assert len(measured(content, current, baseline="white")[0]) == 1


def unzipped(text: str) -> dict[str, bytes]:
    archive = zipfile.ZipFile(io.BytesIO(base64.b64decode(text.split(",")[1])))
    assert archive.testzip() is None
    return {name: archive.read(name) for name in archive.namelist()}


def test_the_download_holds_the_figure_and_the_numbers_behind_it(content, current):
    _, result = measured(content, current)
    files = unzipped(content.download(current, "grad_cam", result, gr.EventData(None, CHOSEN)))
    assert {"lab.png", "rules.csv", "thresholds.csv", "histogram.csv", "curves.csv", "explanation.json"} <= set(files)
    assert json.loads(files["explanation.json"])["keep_remove"]["runs"] == 31
    without = unzipped(content.download(current, "grad_cam", None, gr.EventData(None, CHOSEN)))
    # Curves of a picture that is no longer on screen stay out.
    later = current.with_explanation(current.explanation)
    stale = unzipped(content.download(later, "grad_cam", result, gr.EventData(None, CHOSEN)))
    for written in (without, stale):
        assert "curves.csv" not in written
        assert json.loads(written["explanation.json"])["keep_remove"] is None
    with pytest.raises(gr.Error, match="expired"):
        content.download(None, "grad_cam", None, gr.EventData(None, CHOSEN))


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode())))


def test_the_files_hold_the_numbers_of_the_library(small, current):
    e = current.explanation
    result = deletion.keep_remove(small, e)
    files = threshold_lab_files.files(e, small, "otsu", STRENGTHS, measured=result)
    head, *lines = rows(files["rules.csv"])
    for line, row in zip(lines, threshold_lab.side_by_side(e, "grad_cam", STRENGTHS, result), strict=True):
        messages = dict(zip(head, line, strict=True))
        assert messages["rule"] == row.rule
        for name in ("tau", "kept_area", "keep_only", "remove_only", "keep_only_margin", "remove_only_margin"):
            assert float(messages[name]) == getattr(row, name)
    head, *lines = rows(files["curves.csv"])
    curve = result.curves["grad_cam"]
    numbers = np.array([line[1:] for line in lines], float).T
    assert head[1:] == [
        "kept_area", "keep_only", "remove_only", "keep_only_logit", "remove_only_logit", "keep_only_margin",
        "remove_only_margin",
    ]  # fmt: skip
    expected = (result.areas, *curve.pair("probability"), curve.keep_logits, curve.remove_logits, *curve.pair("margin"))
    np.testing.assert_array_equal(numbers, expected)
    _, zero, *bins = rows(files["histogram.csv"])
    assert sum(float(share) for _, _, share in (zero, *bins)) == pytest.approx(1)
    assert len(rows(files["thresholds.csv"])) == 1 + sum(len(r.strengths()) for r in thresholds.RULES.values())


@pytest.mark.parametrize(("scale", "label"), [("probability", "probability of"), ("margin", "logit margin of")])
@pytest.mark.parametrize("strength", [1.0, 4.0])
def test_the_figure_is_the_same_bytes_every_time(small, current, scale, label, strength):
    e = current.explanation
    shape, result = threshold_lab.shape(e, "grad_cam"), deletion.keep_remove(small, e, areas=(0, 0.5, 1), controls=True)
    overlays = list(export.pictures(e, export.thresholds(e, "mean_std", strength)).values())
    lines = threshold_lab.side_by_side(e, "grad_cam", {"mean_std": strength}, result)
    if strength == 4:  # a phantom's map has no value so far above its mean: put tau above the maximum
        lines[0] = replace(lines[0], tau=2 * shape.top, kept_area=0.0)
    drawn = [threshold_figure.figure(e, overlays, shape, lines, "mean_std", result, scale) for _ in range(2)]
    assert sum(axes.get_ylabel().startswith(label) for axes in drawn[0].axes) == 2
    first, second = map(style.png, drawn)
    assert first == second
    assert Image.open(io.BytesIO(first)).size == (1500, 1560)


def test_the_figure_marks_charts_that_were_not_measured(current):
    e = current.explanation
    overlays = list(export.pictures(e, export.thresholds(e)).values())
    drawn = threshold_figure.figure(
        e, overlays, threshold_lab.shape(e, "grad_cam"), threshold_lab.side_by_side(e, "grad_cam"), "otsu"
    )
    assert sum(text.get_text() == "not measured" for axes in drawn.axes for text in axes.texts) == 2


def test_a_link_chooses_the_map(content):
    def choice(**query):
        return content.from_link(SimpleNamespace(query_params=query))

    assert choice(map="layer_cam") == "layer_cam"
    for query in ({}, {"map": "score_cam"}, {"map": "<b>"}):
        assert choice(**query) == gr.skip()


def test_a_margin_is_over_the_strongest_other_class():
    logits = torch.tensor([1.0, 4.0, 2.5])
    assert [curves.margin(logits, i) for i in range(3)] == [-3.0, 1.5, -1.5]
    assert curves.margin(torch.tensor([2.0]), 0) == 2
