"""The page's handlers, without a browser."""

import base64
import io
import json
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio.utils import get_upload_folder
from PIL import Image

import app
from dala import samples, threshold
from dala.images import ImageError
from dala.ui.compare import Compare
from dala.ui.mapview import payload
from dala.ui.uploads import uploaded_file


def test_uploaded_file_takes_only_what_lies_in_the_upload_folder(patch_file):
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
def tab(explainer):
    return Compare(explainer, samples.find())


def test_a_sample_is_explained_once_for_everybody(tab):
    first, second = tab.first(), tab.first()
    assert first[1].activations is second[1].activations
    assert first[3] is second[3]
    assert {name for _, name in first[2].choices} == {"benign", "malignant"}


def test_another_class_keeps_the_forward_pass(tab):
    explanation = tab.first()[1]
    other = "benign" if explanation.target == "malignant" else "malignant"
    again, name, view = tab.target(other, explanation)
    assert name == other
    assert again.activations is explanation.activations
    assert again.gradient.numel() == 0
    with pytest.raises(gr.Error, match="expired"):
        tab.target(other, None)
    assert view["words"] == other
    with pytest.raises(gr.Error, match="no class"):
        tab.target("cancer", explanation)


def test_the_download_needs_no_gradient(tab):
    _, light, *_ = tab.first()
    assert light.gradient.numel() == 0
    chosen = {"rule": "otsu", "strength": None, "palette": "viridis", "opacity": 0.5, "contour": False}
    zipped = tab.download(light, gr.EventData(None, chosen))
    assert zipped.startswith("data:application/zip;base64,")


def test_the_map_view_gets_the_raw_map_and_the_tables_of_threshold(small, patch):
    e = small.explain(patch)
    sent = json.loads(json.dumps(payload(e)))
    picture = Image.open(io.BytesIO(base64.b64decode(sent["picture"].split(",")[1])))
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(e.picture))
    (one,) = sent["maps"]
    raw = np.frombuffer(base64.b64decode(one["raw"]), "<f4").reshape(one["grid"])
    np.testing.assert_array_equal(raw, e.maps["grad_cam"].numpy())
    for rule, rows in one["tables"].items():
        for strength, tau, area in rows[::25]:
            kept = threshold.apply(e.heat(), rule, strength)
            assert (tau, area) == (kept.tau, pytest.approx(kept.kept_area))
    assert [p["title"] for p in sent["panels"]] == ["Grad-CAM", "DT Grad-CAM"]


def test_a_config_cannot_bring_markup_into_the_page(small):
    small.model.provenance["data"] = "<img src=x onerror=alert(1)>"
    try:
        assert "<img" not in app._head(small)
    finally:
        del small.model.provenance["data"]
