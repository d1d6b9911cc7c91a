"""The tab that compares methods, in Chromium."""

import io
import json
import re
import zipfile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from dala.heatmaps import thresholds
from tests.support.canvas import pixels


@pytest.fixture
def compared(page):
    """The tab, opened, with its first maps drawn."""
    page.get_by_role("tab", name="Compare methods").click()
    page.wait_for_selector("#comparison .panels[aria-busy=false] canvas")
    return page


def areas(page) -> list[float]:
    """The kept area of every panel, in per cent."""
    return [float(a) for a in re.findall(r"keeps ([\d.]+) %", page.locator("#comparison .panels").inner_text())]


def test_methods_are_side_by_side_and_the_switches_send_nothing(compared):
    page = compared
    assert page.locator("#comparison figure h2").all_inner_texts() == [
        "Grad-CAM",
        "Grad-CAM++",
        "LayerCAM",
        "Eigen-CAM",
    ]
    assert areas(page) == []
    page.wait_for_timeout(500)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.locator("#comparison .cut-all").check()
    own = areas(page)
    assert len(own) == 4
    assert len(set(own)) > 1
    page.locator("#comparison .level").check()
    level = areas(page)
    assert max(level) - min(level) <= 1
    assert level[0] == own[0]
    page.locator("#comparison .shared").check()
    tops = page.locator("#comparison .scale span:last-child").all_inner_texts()
    assert len(set(tops)) == 1
    page.wait_for_timeout(500)
    assert requests == []


@pytest.mark.slow
def test_methods_that_coincide_are_one_map_with_both_names_and_the_reason(compared):
    page = compared
    page.get_by_label("HiResCAM").check()
    page.wait_for_function("() => document.querySelector('#comparison h2').innerText === 'Grad-CAM = HiResCAM'")
    assert "because the head pools globally first" in page.locator("#comparison figure").first.inner_text()
    assert page.locator(".agreement tr").count() == 5


def test_a_click_and_the_arrow_keys_show_every_raw_value(compared):
    page = compared
    page.locator("#comparison canvas").nth(1).click(position={"x": 50, "y": 60})
    first = page.locator("#comparison .reading").all_inner_texts()
    assert sum("here" in line for line in first) == 4
    page.locator("#comparison .panels").focus()
    for _ in range(8):
        page.keyboard.press("ArrowDown")
    assert page.locator("#comparison .reading").all_inner_texts() != first


def test_evidence_against_a_class_is_named(compared):
    page = compared
    page.get_by_label("against", exact=True).check()
    page.wait_for_function("() => /evidence against /.test(document.querySelector('#comparison .words').innerText)")


@pytest.mark.slow
def test_the_wipe_goes_by_keys_and_by_mouse(compared):
    page = compared
    page.locator("#comparison .wipe summary").click()
    share = page.locator("#comparison .wipe .share input")
    share.focus()
    page.keyboard.press("Home")
    assert share.get_attribute("aria-valuetext") == "Grad-CAM up to 0 %, then Grad-CAM++"
    stage = page.locator("#comparison .wipe .stage").bounding_box()
    page.mouse.move(stage["x"] + stage["width"] * 0.7, stage["y"] + 40)
    page.mouse.down()
    page.mouse.up()
    assert abs(int(share.input_value()) - 70) <= 1


@pytest.mark.slow
def test_a_broken_file_leaves_what_is_compared(compared, broken_file):
    page = compared
    before = page.locator("#comparison .words").inner_text()
    page.locator("input[type=file]").first.set_input_files(broken_file)
    page.wait_for_selector("text=damaged or incomplete")
    assert page.locator("#comparison .words").inner_text() == before
    assert page.locator("#comparison figure canvas").count() == 4


def test_two_methods_at_least_stay_ticked_and_say_why(compared):
    page = compared
    for name in ("Grad-CAM++", "LayerCAM"):
        page.get_by_label(name, exact=True).uncheck()
    left = page.get_by_label("Eigen-CAM", exact=True)
    expect(left).to_be_disabled()
    assert page.locator("label:has(input[name=eigen_cam])").get_attribute("title") == "At least 2 are compared."
    page.get_by_label("Grad-CAM++", exact=True).check()
    expect(left).to_be_enabled()


def test_the_download_holds_every_map(compared):
    page = compared
    for switch in (".cut-all", ".level", ".shared"):
        page.locator(f"#comparison {switch}").check()
    shown = areas(page)
    with page.expect_download() as event:
        page.locator("#comparison .download").click()
    archive = zipfile.ZipFile(io.BytesIO(event.value.path().read_bytes()))
    saved = json.loads(archive.read("explanation.json"))
    assert set(saved["tau"]) == {"grad_cam", "grad_cam_pp", "layer_cam", "eigen_cam"}
    assert saved["rule"] == thresholds.DEFAULT_RULE
    assert "dt_eigen_cam.png" in archive.namelist()
    assert len(saved["agreement"]["rank_correlation"]) == 4
    # As on screen, with all switches on.
    assert (saved["one_kept_area"], saved["one_colour_scale"]) == (True, True)
    assert [round(100 * area, 1) for area in saved["kept_area"].values()] == shown
    for index, name in enumerate(saved["tau"]):
        saved = np.asarray(Image.open(io.BytesIO(archive.read(f"dt_{name}.png")))).astype(int)
        assert (np.abs(saved - pixels(page, index, "#comparison")).max(-1) <= 1).mean() >= 0.999
