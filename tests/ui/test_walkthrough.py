"""The tab's handlers, without a browser."""

import base64
import io
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
import torch

from dala import models
from dala.explain import gate
from dala.explain.explainer import Explainer
from dala.images import reading
from dala.lessons import walkthrough
from dala.models import serialization
from dala.publishing import samples
from dala.ui.current import Current, Source
from dala.ui.model_cache import HOST, ModelCache
from dala.ui.session import Page
from dala.ui.sidebar.patch import Patch
from dala.ui.tabs.walkthrough import StepByStep

CHOSEN = {"rule": "otsu", "strength": None, "palette": "viridis", "opacity": 0.5, "look": "veil"}


def tab(explainer: Explainer) -> StepByStep:
    with gr.Blocks():
        return StepByStep(Page(ModelCache(explainer), first="explain"), samples.find())


def seen_by(content: StepByStep, file, target: str | None = None) -> Current:
    """Explain a file as the column next to the tab does."""
    column = Patch(content.page, samples.find())
    current = column._explain(Source(file), HOST)
    return column.target(target, current)[0] if target else current


@pytest.fixture(scope="module")
def content(small):
    return tab(small)


@pytest.fixture(scope="module")
def current(content, patch_file):
    return seen_by(content, patch_file)


def test_an_explanation_without_gradient_is_decomposed(content, current):
    assert current.explanation.features.gradient is None
    *markups, view = content.show(current, None)
    assert len(markups) == len(walkthrough.TITLES)
    assert view["panels"][0] == {"title": "Grad-CAM, 4×3 cells", "map": 0, "kept": False}
    assert view["maps"][0]["cells"]
    assert "cells" not in view["maps"][1]
    assert [m.count("<img") for m in markups] == [1, 12, 12, 0, 4, 0]
    picture = markups[0].split("gradio_api/file=")[1].split("'")[0]
    assert reading.read(Path(picture)).tobytes() == current.explanation.picture.tobytes()
    assert "alt=''" not in "".join(markups)


def test_own_channels_and_wrong_ones(content, current):
    assert content.show(current, "7, 8")[1].count("<img") == 2
    assert len(content.choose(current, "7")) == len(walkthrough.TITLES) + 2
    with pytest.raises(gr.Error, match="no channel '5000'"):
        content.choose(current, "5000")


def test_without_a_picture(content):
    *markups, view = content.show(None, "")
    assert view is None
    assert "Choose a patch" in markups[0]
    assert "Choose a patch" in content.gate(None, "")
    with pytest.raises(gr.Error, match="expired"):
        content.download(None, "", gr.EventData(None, CHOSEN))


def test_without_a_file_the_gate_is_compared_with_the_samples(content, current):
    page = content.gate(current, "")
    assert f"{len(samples.find())} pictures (the app&#39;s samples)" in page
    assert f"These weights come without {gate.FILE}" in page


def test_with_a_file_it_is_compared_with_that_unless_it_is_stale(small, current, tmp_path):
    serialization.save(small.model, tmp_path)
    origin = models.load(tmp_path)
    gate.write(gate.AverageGate(current.explanation.gate, 2081, "BreakHis"), tmp_path, origin.sha256)
    page = tab(Explainer(origin.model, "cpu", origin)).gate(current, "")
    assert "2,081 pictures (BreakHis)" in page
    assert "samples" not in page
    stale = tab(Explainer(origin.model, "cpu", replace(origin, sha256="other"))).gate(current, "")
    assert "measured with other weights" in stale
    assert "samples" in stale


def test_a_gate_that_is_nearly_constant_is_one_sentence(content, current):
    count = len(current.explanation.gate)
    average = gate.AverageGate(torch.full((count,), 0.98), 429, "BreakHis")

    def shown(low: float) -> walkthrough.Step:
        values = SimpleNamespace(gate=torch.linspace(low, 0.99, count), layer="attention")
        return walkthrough.gate(values, average, [0])

    assert "values lie between 0.95 and 0.99" in shown(0.95).sentence
    assert shown(0.95).charts == ()
    assert shown(0.5).charts


def test_the_download(content, current):
    zipped = content.download(current, "7", gr.EventData(None, CHOSEN))
    archive = zipfile.ZipFile(io.BytesIO(base64.b64decode(zipped.split(",")[1])))
    assert "2_feature_maps.png" in archive.namelist()
    assert archive.testzip() is None


def test_text_of_a_config_is_escaped(small, patch_file):
    name = "<img src=x onerror=alert(1)>"
    model = type(small.model)(["benign", name], small.preprocessing)
    model.load_state_dict(small.model.state_dict())
    hostile = Explainer(model.eval(), device="cpu")
    content = tab(hostile)
    current = seen_by(content, patch_file, name)
    page = "".join([*content.show(current, "")[:-1], content.gate(current, "")])
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
