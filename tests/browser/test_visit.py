"""A visit in Chromium: pictures from anywhere on the page, links, reload, Back, and the planted focus."""

import io
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from PIL import Image

from dala.phantoms import phantom
from dala.publishing import samples

# A file on the clipboard or under the pointer, as the browser hands it to the page.
PASTE = """([bytes, name]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, {type: 'image/jpeg'}));
  document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}));
}"""
DROP = """([bytes, name, place]) => {
  const data = new DataTransfer();
  if (bytes) data.items.add(new File([new Uint8Array(bytes)], name, {type: 'image/jpeg'}));
  const event = kind => new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true});
  const target = document.querySelector(place);
  return ['dragover', 'drop'].map(kind => !target.dispatchEvent(event(kind)));
}"""


def content(size=(700, 460), seed=9) -> list[int]:
    stream = io.BytesIO()
    phantom.make(seed).picture.resize(size).save(stream, "JPEG")
    return list(stream.getvalue())


def changed(page, act) -> None:
    """Do something, and wait until another picture is explained."""
    before = page.locator(".run").first.inner_text()
    act()
    page.wait_for_function("b => ![b, '', undefined].includes(document.querySelector('.run')?.innerText)", arg=before)
    page.wait_for_function("() => document.querySelector('#maps .panels').ariaBusy === 'false'")


def query(page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlparse(page.url).query).items()}


def seen_at(page, size: str) -> None:
    page.wait_for_function("s => document.querySelector('.run')?.innerText?.includes(s)", arg=size)


def test_pasted_and_dropped_pictures_reload_and_back(page, browser):
    changed(page, lambda: page.evaluate(PASTE, [content((350, 230)), "pasted.jpg"]))
    seen_at(page, "resized from 350×230")
    assert query(page) == {"upload": "1"}
    # At the map, with the factor.
    note = page.locator("#maps .notes")
    note.get_by_text("enlarged 2.0 times").wait_for()
    assert note.bounding_box()["y"] < page.locator("#maps canvas").first.bounding_box()["y"]
    # Beside the thumbnail; the browser does not open the file.
    taken = []
    changed(page, lambda: taken.extend(page.evaluate(DROP, [content((2100, 1380)), "big.jpg", ".tabs"])))
    assert taken == [True, True]
    seen_at(page, "resized from 2100×1380")
    note.get_by_text("shrunk 3.0 times").wait_for()
    assert "as large as 9 patches" in note.inner_text()
    page.evaluate(DROP, [None, "", "#maps"])
    page.get_by_text("No picture file was dropped").wait_for()
    seen_at(page, "resized from 2100×1380")
    # Kept over a reload.
    page.reload()
    seen_at(page, "resized from 2100×1380")
    # A sample, then Back to the upload.
    changed(page, lambda: page.locator(".samples .thumbnail-item").nth(2).click())
    page.wait_for_url("**sample=phantom_plain**")
    page.go_back()
    seen_at(page, "resized from 2100×1380")
    # Another browser has no such upload and says so.
    address, other = page.url, browser.new_context()
    elsewhere = other.new_page()
    elsewhere.goto(address)
    elsewhere.get_by_text("a link never holds it: here is a sample").wait_for()
    elsewhere.wait_for_selector("#maps .panels[aria-busy=false] canvas")
    other.close()


def test_a_dragged_sample_is_chosen_and_wipes_nothing(page):
    sample, patch = page.locator(".samples .thumbnail-item img").nth(4), page.locator(".patch .image-container")
    changed(page, lambda: sample.drag_to(patch))
    seen_at(page, "CMU-1-Small-Region")
    assert page.locator(".patch .image-frame img").count() == 1
    # Any other part of the page that is dragged changes nothing.
    page.locator(".patch .image-frame img").drag_to(page.locator("#maps canvas").first)
    page.wait_for_timeout(300)
    seen_at(page, "CMU-1-Small-Region")
    assert page.locator("#maps .panels canvas").count() == 2


def test_back_returns_to_the_tab_before(page):
    page.get_by_role("tab", name="Threshold lab").click()
    page.wait_for_selector("#lab .panels[aria-busy=false] canvas")
    page.get_by_role("tab", name="How good is it?").click()
    assert query(page)["tab"] == "results"
    page.go_back()
    page.wait_for_selector("[role=tab][aria-selected=true]:has-text('Threshold lab')")
    page.locator("#lab .rules input").nth(2).check()
    page.go_back()
    page.wait_for_selector("[role=tab][aria-selected=true]:has-text('Explain')")
    assert query(page) == {"rule": "percentile"}  # settings stay as they are on screen
    page.go_forward()
    page.wait_for_selector("[role=tab][aria-selected=true]:has-text('Threshold lab')")


def test_a_link_holds_the_whole_state(page, browser, url):
    changed(page, lambda: page.locator(".samples .thumbnail-item").nth(4).click())
    other = next(i for i in (0, 1) if not page.locator(".classes input").nth(i).is_checked())
    name = page.locator(".classes input").nth(other).get_attribute("value")
    page.locator(".classes input").nth(other).check()
    page.wait_for_function(f"() => document.querySelector('#maps .words').innerText.includes('for {name}')")
    page.get_by_role("tab", name="Step by step").click()
    page.wait_for_selector("#step-1 img")
    for _ in range(2):
        page.locator("#walk-forth").click()
    page.wait_for_function("() => location.search.includes('step=3')")
    state = {"sample": "skin_follicle", "class": name, "tab": "steps", "step": "3"}
    assert query(page) == state
    fresh = browser.new_page()
    fresh.goto(page.url)
    fresh.wait_for_selector("#walk .step-button[aria-selected=true][data-tab-id='3']")
    seen_at(fresh, "CMU-1-Small-Region")
    assert fresh.locator(f".classes input[value={name}]").is_checked()
    assert query(fresh) == state
    fresh.close()


def test_without_a_clipboard_the_link_is_selected_text(browser, url):
    page, errors = browser.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")  # as on plain http
    page.goto(f"{url}?sample=phantom_plain")
    page.wait_for_selector("#maps .panels[aria-busy=false] canvas")
    assert page.get_by_label("Paste from clipboard").is_hidden()
    page.locator("#maps .link").click()
    assert page.evaluate("() => String(document.activeElement.value)") == page.url
    start, end, text = page.locator("#maps .address").evaluate("e => [e.selectionStart, e.selectionEnd, e.value]")
    assert text[start:end] == page.url
    assert "sample=phantom_plain" in page.url
    page.close()
    assert errors == []


@pytest.mark.slow
def test_the_planted_focus_is_the_phantoms_own(page):
    for sample in samples.find():
        mask = sample.file.with_name(f"{sample.file.stem}_mask.png")
        if sample.generated:
            seed = int(sample.origin.rpartition(" ")[2])
            truth = phantom.make(seed, "benign" not in sample.file.stem, (700, 460)).mask
            np.testing.assert_array_equal(np.asarray(Image.open(mask).convert("L")) > 127, truth)
    assert "need not find the planted focus" in page.locator("#maps .notes").inner_text()
    assert page.locator("#maps .planted").count() == 0
    page.get_by_label("show the planted focus").check()
    page.wait_for_selector("#maps .planted")
    drawn = page.locator("#maps .planted").first.evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 === 3)"
    )
    truth = phantom.make(72, True, (700, 460)).mask
    outline = np.array(drawn).reshape(truth.shape) > 0
    assert outline.any()
    assert not (outline & ~truth).any()
    assert not outline[truth].all()
    # The benign twin has none, and no switch.
    changed(page, lambda: page.locator(".samples .thumbnail-item").nth(1).click())
    page.get_by_text("its map and its probability mean little here").first.wait_for()
    assert page.get_by_label("show the planted focus").count() == 0
