"""The handlers of "Can I trust it?", without a browser."""

import base64
import io
import json
import zipfile

import gradio as gr
import pytest
from PIL import Image

from dala.publishing import samples
from dala.ui.current import Current, Source
from dala.ui.model_cache import HOST, ModelCache
from dala.ui.session import Page
from dala.ui.sidebar.patch import Patch
from dala.ui.tabs.trust import NOTHING, LastCheck, Trust


@pytest.fixture(scope="module")
def content(small) -> Trust:
    with gr.Blocks():
        return Trust(Page(ModelCache(small), first="trust"))


@pytest.fixture(scope="module")
def current(content, patch_file) -> Current:
    return Patch(content.page, samples.find())._explain(Source(patch_file), HOST)


@pytest.fixture(scope="module")
def checked(content, current) -> tuple[list[str], LastCheck]:
    pages, last = zip(*content.check(current, "layer_cam"), strict=True)
    return list(pages), last[-1]


def test_it_reports_progress_and_ends_with_a_verdict(checked):
    pages, last = checked
    assert "progressbar" in pages[0]
    assert "0 %: starting" in pages[0]
    assert all("progressbar" in t for t in pages[:-1])
    assert "class='verdict'" in pages[-1]
    assert last.method == "layer_cam"


def test_a_result_is_shown_for_its_picture_and_method_alone(content, current, checked):
    _, last = checked
    assert "class='verdict'" in content.show(current, "layer_cam", last)
    assert content.show(current, "grad_cam", last) == NOTHING
    assert content.show(current.with_explanation(current.explanation), "layer_cam", last) == NOTHING
    assert content.show(current, "layer_cam", None) == NOTHING
    assert content.show(None, "layer_cam", None) == NOTHING


def test_the_download_holds_every_number_the_maps_and_the_page(content, checked):
    head, data = content.download(checked[1]).split(",")
    assert head == "data:application/zip;name=patch_checks.zip;base64"
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(data))) as archive:
        assert sorted(archive.namelist()) == ["README.txt", "checks.html", "checks.json", "maps.png", "picture.png"]
        assert json.loads(archive.read("checks.json"))["method"] == "layer_cam"
        assert "class='verdict'" in archive.read("checks.html").decode()
        assert Image.open(io.BytesIO(archive.read("maps.png"))).width > 1000


def test_a_session_that_expired_and_a_map_that_is_empty_get_a_sentence(content, current):
    with pytest.raises(gr.Error, match="expired"):
        content.download(None)
    with pytest.raises(gr.Error, match="expired"):
        list(content.check(None, "grad_cam"))
    white = Image.new("RGB", (128, 96), "white")  # no evidence for malignant
    empty = content.page.explainer(current).explain(white, "malignant")
    assert empty.maps["grad_cam"].max() == 0
    with pytest.raises(gr.Error, match="zero everywhere"):
        list(content.check(current.with_explanation(empty), "grad_cam"))


def test_stopping_leaves_nothing_locked(content, current):
    going = content.check(current, "grad_cam")
    for _ in range(4):
        next(going)
    going.close()
    assert "class='verdict'" in list(content.check(current, "grad_cam"))[-1][0]
