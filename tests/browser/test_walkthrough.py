"""The tab "Step by step" in Chromium: six steps by keyboard, on a phantom and on a broken file."""

import io
import json
import zipfile

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from torch.nn.functional import interpolate

from dala.explain.decomposition import Steps
from dala.heatmaps import render
from dala.lessons import walkthrough
from dala.phantoms import phantom
from tests.support.canvas import pixels


def upload(page, content: bytes) -> None:
    page.locator("input[type=file]").first.set_input_files(
        {"name": "patch.png", "mimeType": "image/png", "buffer": content}
    )


def encoded(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def says(page, number: int, words: str) -> None:
    """Wait until a step's sentence is this one."""
    page.wait_for_function(
        "([number, words]) => document.querySelector(`#step-${number} .says`)?.innerText === words",
        arg=[number, words],
    )


def active(page) -> int:
    return int(page.locator("#walk .step-button[aria-selected=true]").get_attribute("data-tab-id"))


def walk_to(page, number: int) -> None:
    """Press Enter on "next" until a step is reached."""
    page.locator("#walk-forth").focus()
    while (now := active(page)) < number:
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#walk .step-button[aria-selected=true][data-tab-id='{now + 1}']")


@pytest.fixture
def opened(page):
    """The page with the tab open."""
    page.get_by_role("tab", name="Step by step").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#step-1 img")
    return page


@pytest.fixture
def told(opened, explainer):
    """The page after a phantom was uploaded with the tab open, and what Python says of it."""
    made = phantom.make(7).picture
    upload(opened, encoded(made))
    e = explainer.explain(made)
    told = walkthrough.describe(e, Steps.of(e))
    says(opened, 1, told[0].sentence)
    return opened, e, told


def test_six_steps_by_keyboard_there_and_back(told):
    page, _, expected = told
    place = page.locator("#walk-forth").bounding_box()
    for number, step in enumerate(expected, 1):
        walk_to(page, number)
        page.wait_for_selector(f"#step-{number}:visible")
        says(page, number, step.sentence)
        assert page.locator(f"#step-{number} img").count() == len(step.tiles)
        assert page.locator(f"#step-{number} .charts svg[role=img]").count() == len(step.charts)
        assert page.locator(".formula .katex:visible").count() >= 1
        assert page.locator("#walk-forth").bounding_box() == place
    page.wait_for_selector("#walk-forth[aria-disabled=true]")
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    assert (active(page), page.evaluate("() => document.activeElement.id")) == (6, "walk-forth")
    for number in range(5, 0, -1):
        page.locator("#walk-back").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#walk .step-button[aria-selected=true][data-tab-id='{number}']")
    page.wait_for_selector("#walk-back[aria-disabled=true]")
    assert page.evaluate("() => document.activeElement.id") == "walk-back"
    assert page.locator("#step-2").is_hidden()


@pytest.mark.slow
def test_pictures_say_what_they_show(told):
    page, _, expected = told
    walk_to(page, 2)
    page.wait_for_selector("#step-2 img")
    shown = page.locator("#step-2 img")
    assert [shown.nth(i).get_attribute("alt") for i in range(12)] == [t.alt for t in expected[1].tiles]
    assert page.evaluate("() => document.querySelector('#step-2 img').naturalWidth") == 22


def test_the_last_step_draws_pythons_pixels(told):
    page, e, _ = told
    walk_to(page, 6)
    page.wait_for_selector("#step-maps .panels[aria-busy=false] canvas")
    heat, raw = e.heat(), e.maps["grad_cam"]
    top, kept = float(raw.max()), e.threshold()
    cells = interpolate(raw[None, None], heat.shape, mode="nearest")[0, 0]
    for index, expected in enumerate(
        (
            render.overlay(e.picture, cells, top),
            render.overlay(e.picture, heat, top),
            render.overlay(e.picture, heat, top, kept.mask),
        )
    ):
        close = np.abs(pixels(page, index, "#step-maps") - np.asarray(expected)).max(-1) <= 1
        assert close.mean() >= 0.999
    before = pixels(page, 2, "#step-maps")
    page.locator("#step-maps .strength input").focus()
    page.keyboard.press("Home")
    assert (pixels(page, 2, "#step-maps") != before).any()


@pytest.mark.slow
def test_another_class_and_own_channels_by_keyboard(told, explainer):
    page, e, _ = told
    other = next(name for name in e.class_names if name != e.target)
    page.locator(f".classes input[value={other}]").focus()
    page.keyboard.press("Space")
    again = explainer.retarget(e, other)
    steps = Steps.of(again)
    says(page, 1, walkthrough.describe(again, steps)[0].sentence)
    walk_to(page, 2)
    box = page.get_by_label("Other channels, by number")
    box.fill("7, 512")
    box.press("Enter")
    says(page, 2, walkthrough.describe(again, steps, [7, 512])[1].sentence)
    assert page.locator("#step-2 figcaption b").all_inner_texts() == ["channel 7", "channel 512"]
    box.fill("5000")
    box.press("Enter")
    page.wait_for_selector("text=There is no channel '5000': give numbers from 0 to 2047.")
    assert page.locator("#step-2 img").count() == 2


@pytest.mark.slow
def test_the_gate_of_the_shipped_weights_is_one_sentence(told):
    page, e, _ = told
    walk_to(page, 2)
    page.wait_for_selector("#step-gate .says:has-text('hardly does anything')")
    assert page.locator("#step-gate svg").count() == 0
    assert 0 < float(e.gate.min()) <= float(e.gate.max()) < 1


@pytest.mark.slow
def test_a_broken_file_gives_our_sentence_and_loses_nothing(told):
    page, _, expected = told
    walk_to(page, 3)
    upload(page, encoded(phantom.make(8).picture)[:20000])
    page.wait_for_selector("text=damaged or incomplete")
    page.wait_for_timeout(500)
    assert active(page) == 3
    says(page, 3, expected[2].sentence)


@pytest.mark.slow
def test_the_download_is_of_this_patch(told):
    page, e, _ = told
    walk_to(page, 6)
    page.wait_for_selector("#step-maps .panels[aria-busy=false] canvas")
    with page.expect_download() as event:
        page.locator("#step-maps .download").click()
    assert event.value.suggested_filename == "phantom_malignant_steps.zip"
    archive = zipfile.ZipFile(event.value.path())
    assert json.loads(archive.read("numbers.json"))["target"] == e.target
    arrays = np.load(io.BytesIO(archive.read("numbers.npz")))
    np.testing.assert_allclose(arrays["map"], e.maps["grad_cam"].numpy(), rtol=1e-2, atol=1e-5)


@pytest.mark.slow
def test_removing_the_picture_empties_every_step(opened):
    opened.get_by_label("Remove Image").click()
    opened.wait_for_function("() => document.querySelector('#step-1').innerText.includes('Choose a patch')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.slow
def test_axe_finds_nothing_serious_in_any_step(browser, url, scheme):
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page.goto(f"{url}?__theme={scheme}")
    page.wait_for_selector("#maps .panels[aria-busy=false] canvas")
    page.get_by_role("tab", name="Step by step").click()
    page.wait_for_selector("#walk-back[aria-disabled=true]")
    grave = {}
    for number in range(1, 7):
        walk_to(page, number)
        page.wait_for_selector(f"#step-{number} .says")
        page.wait_for_timeout(600)
        for found in Axe().run(page).response["violations"]:
            if found["impact"] in ("serious", "critical"):
                grave[number, found["id"]] = [node["target"] for node in found["nodes"]]
    page.close()
    assert grave == {}


@pytest.mark.slow
def test_at_390_px_nothing_overflows_and_nothing_is_fetched_from_elsewhere(browser, url):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    elsewhere = []
    page.on("request", lambda r: None if r.url.startswith((url, "data:", "blob:")) else elsewhere.append(r.url))
    page.goto(url)
    page.wait_for_selector("#maps .panels[aria-busy=false] canvas")
    page.get_by_role("tab", name="Step by step").click()
    page.wait_for_selector("#step-1 img")
    for number in range(1, 7):
        walk_to(page, number)
        page.wait_for_timeout(300)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    page.close()
    assert elsewhere == []
