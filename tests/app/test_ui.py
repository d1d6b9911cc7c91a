"""The page's handlers, without a browser."""

import base64
import io
import json
import zipfile
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio.utils import get_upload_folder
from huggingface_hub import constants
from PIL import Image

import app
from dala import cam
from dala.heatmaps import thresholds
from dala.images.preprocessing import ImageError
from dala.images.stain import restained
from dala.phantoms import phantom
from dala.publishing import samples
from dala.ui.current import Source
from dala.ui.mapview.view import payload
from dala.ui.model_cache import HOST, ModelCache
from dala.ui.server.uploads import uploaded_file
from dala.ui.session import Page
from dala.ui.sidebar.patch import Patch
from dala.ui.tabs.compare import Compare
from dala.ui.tabs.explain import Explain
from tests.support import non_tissue


def test_uploaded_file_accepts_only_files_of_the_upload_folder(patch_file):
    inside = Path(get_upload_folder()) / "x" / "patch.png"
    assert uploaded_file({"path": str(inside)}) == inside.resolve()
    for value in (
        None,
        {},
        {"path": None},
        {"path": 3},
        "text",
        {"path": str(patch_file)},
        {"path": f"{inside}/../../../y"},
    ):
        with pytest.raises(ImageError):
            uploaded_file(value)


@pytest.fixture
def page(explainer):
    with gr.Blocks():
        yield Page(ModelCache(explainer), first="explain")


@pytest.fixture
def column(page):
    return Patch(page, samples.find())


def opened(column: Patch) -> list:
    return column.sample(HOST, gr.SelectData(None, {"index": 0, "value": None}))


def test_a_sample_is_explained_once_for_everybody(page, column):
    first, second = opened(column), opened(column)
    assert first[1] is second[1]
    tab = Explain(page)
    assert tab.show(first[1]) == tab.show(second[1])
    assert {name for _, name in first[2].choices} == {"benign", "malignant"}


def test_another_class_keeps_the_forward_pass(page, column):
    current = opened(column)[1]
    explanation = current.explanation
    other = "benign" if explanation.target == "malignant" else "malignant"
    again, name, serial = column.target(other, current)
    assert name == other
    assert serial == again.serial != current.serial
    assert again.explanation.activations is explanation.activations
    assert again.explanation.features.gradient is None
    assert Explain(page).show(again)["words"] == other
    with pytest.raises(gr.Error, match="expired"):
        column.target(other, None)
    with pytest.raises(gr.Error, match="no class"):
        column.target("cancer", current)


def test_the_whole_column_follows_a_scale_and_a_part(page, column, tmp_path):
    file = tmp_path / "large.png"
    phantom.make(2, size=(1500, 950)).picture.save(file)
    current = column._explain(Source(file), HOST)
    assert len(current.parts) == 4
    assert current.explanation.original_size == (1500, 950)
    whole = column._shown(current)
    assert "shrunk to one" in whole[3]
    chosen = gr.SelectData(None, {"index": 3, "value": None})
    part = column.part(current, HOST, chosen)[1]
    assert part.explanation.original_size == (700, 460)
    assert part.source.box == current.parts[2]
    scaled = column.scale("200X", part, HOST)
    assert scaled[1].explanation.picture.size == (750, 475)
    assert scaled[1].source.box is None
    assert scaled[-1]["magnification"] == scaled[-2] == "200X"
    assert "details may be missing" in scaled[3]
    file.unlink()
    with pytest.raises(gr.Error, match="expired"):
        column.scale("100X", part, HOST)


def test_what_another_laboratory_means_stands_below_the_probabilities(at_home, patch, tmp_path):
    file, cat = tmp_path / "abroad.png", tmp_path / "cat.png"
    restained(patch, 2, 0.5).save(file)
    Image.open(non_tissue.SKIMAGE / "chelsea.png").save(cat)
    with gr.Blocks():
        column = Patch(Page(ModelCache(at_home), first="explain"), [])
    current = column._explain(Source(file), HOST)
    note = column._shown(current)[6]
    assert note.visible
    assert note.value == f"<p role='status'>{current.explanation.shift}</p>"
    drawn = column._shown(column._explain(Source(file, generated=True), HOST))[6]
    assert "Generated, and unlike the laboratories in training (" in drawn.value
    # The warning of no tissue says more.
    alert, note = column._shown(column._explain(Source(cat), HOST))[5:7]
    assert alert.visible
    assert not note.visible


def test_phantoms_are_known_as_generated():
    assert [s.generated for s in samples.read(samples.SHIPPED)] == [True] * 4 + [False] * 3


@pytest.fixture
def compare(page):
    return Compare(page)


def test_methods_are_compared_from_the_forward_pass_that_was_made(compare, column, explainer, monkeypatch):
    current = opened(column)[1]
    monkeypatch.setattr(explainer, "explain_image", None)  # any other forward pass would fail
    methods = ["grad_cam", "hires_cam", "layer_cam", "random"]
    view, table, last, targets, layers, *_ = compare.show(current, methods, None, None, "for", None)
    assert [panel["title"] for panel in view["panels"]] == ["Grad-CAM = HiResCAM", "LayerCAM", "random map"]
    assert "pools globally first" in view["panels"][0]["note"]
    assert view["panels"][1]["note"] == ""
    assert table.count("<tr>") == 4
    other = next(name for name in explainer.class_names if name != current.explanation.target)
    assert f"over {other}" in [value for _, value in targets.choices]
    margin = compare.show(current, methods, f"over {other}", "attention", "against", last)
    assert margin[0]["words"] == f"against {current.explanation.target} over {other}"
    assert margin[0]["evidence"] == "against"
    assert layers.value == "attention"


def test_another_layer_is_one_more_forward_pass_and_then_none(compare, column, explainer, monkeypatch):
    current = opened(column)[1]
    last = compare.show(current, ["grad_cam", "hires_cam"], None, "layer3", "for", None)[2]
    assert last.explanation.layer == "layer3"
    assert len(last.explanation.coinciding()) == 2
    monkeypatch.setattr(explainer, "explain_image", None)
    view = compare.show(current, ["grad_cam", "layer_cam"], None, "layer3", "for", last)[0]
    direct = explainer.retarget(last.explanation, current.explanation.target, methods=["layer_cam"])
    assert view["maps"][1]["max"] == pytest.approx(float(direct.maps["layer_cam"].max()))


def test_one_method_or_seven_are_not_compared(compare, column):
    current = opened(column)[1]
    for methods in (["grad_cam"], list(cam.METHODS)[:7]):
        with pytest.raises(gr.Error, match="Choose 2 to 6 methods"):
            compare.again(current, methods, None, None, "for", None)
    with pytest.raises(gr.Error, match="expired"):
        compare.again(None, ["grad_cam", "layer_cam"], None, None, "for", None)


def test_the_download_needs_no_gradient(page, column):
    current = opened(column)[1]
    assert current.explanation.features.gradient is None
    chosen = {"rule": "otsu", "strength": None, "palette": "viridis", "opacity": 0.5, "look": "veil"}
    zipped = Explain(page).download(current, gr.EventData(None, chosen))
    assert zipped.startswith("data:application/zip;name=phantom_malignant_explanation.zip;base64,")


def test_the_comparison_is_downloaded_as_its_switches_are_set(page, column):
    tab, current = Compare(page), opened(column)[1]
    last = tab.show(current, ["grad_cam", "random"], None, None, "for", None)[2]
    saved = {}
    for level in (False, True):
        chosen = {"rule": "share_of_max", "strength": 0.5, "palette": "viridis", "opacity": 0.5, "look": "veil"}
        event = gr.EventData(None, chosen | {"level": level, "shared": level})
        zipped = base64.b64decode(tab.download(last, current, event).split(",")[1])
        saved[level] = json.loads(zipfile.ZipFile(io.BytesIO(zipped)).read("explanation.json"))
    assert saved[True]["one_kept_area"] and saved[True]["one_colour_scale"] and "agreement" in saved[True]
    assert saved[True]["kept_area"]["grad_cam"] == saved[False]["kept_area"]["grad_cam"]
    areas = saved[True]["kept_area"].values()
    assert (
        max(areas) - min(areas)
        < 0.01
        < max(saved[False]["kept_area"].values()) - min(saved[False]["kept_area"].values())
    )


def test_a_picture_is_encoded_once_for_all_its_classes_and_methods(page, column):
    current = opened(column)[1]
    other = next(name for name in current.explanation.class_names if name != current.explanation.target)
    again = column.target(other, current)[0]
    picture = payload(current.explanation)["picture"]
    assert picture.startswith("gradio_api/file=")
    assert payload(again.explanation)["picture"] == picture
    assert Compare(page).show(current, ["grad_cam", "random"], None, None, "for", None)[0]["picture"] == picture


def test_the_map_view_gets_the_raw_map_and_the_threshold_tables(small, patch):
    e = small.explain(patch)
    sent = json.loads(json.dumps(payload(e)))
    picture = Image.open(sent["picture"].removeprefix("gradio_api/file="))
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(e.picture))
    (one,) = sent["maps"]
    raw = np.frombuffer(base64.b64decode(one["raw"]), "<f4").reshape(one["grid"])
    np.testing.assert_array_equal(raw, e.maps["grad_cam"].numpy())
    for rule, rows in one["tables"].items():
        for strength, tau, area in rows[::25]:
            kept = thresholds.apply(e.heat(), rule, strength)
            assert (tau, area) == pytest.approx((kept.tau, kept.kept_area), rel=1e-8, abs=1e-6)
    assert [p["title"] for p in sent["panels"]] == ["Grad-CAM", "DT Grad-CAM"]


def test_a_config_cannot_bring_markup_into_the_page(small):
    small.model.provenance["data"] = "<img src=x onerror=alert(1)>"
    try:
        assert "<img" not in app._head(small)
    finally:
        del small.model.provenance["data"]


def test_samples_of_a_data_set_on_the_hub(tmp_path, serve, monkeypatch, capsys):
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "assets"))
    (tmp_path / "set").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "set" / "duct.png")
    serve(tmp_path / "set")
    monkeypatch.setenv("DALA_SAMPLES", "you/net")
    assert samples.find(app._own_samples())[0].caption == "duct"
    monkeypatch.setenv("DALA_SAMPLES", "you/other")
    assert samples.find(app._own_samples()) == samples.read(samples.SHIPPED)
    assert "you/other: no such repository" in capsys.readouterr().err
