"""The threshold lab in Chromium, on a phantom and on a broken file; a small network measures its curves in seconds."""

import io
import json
import re
import zipfile

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from dala.lessons import threshold_lab
from dala.trust import deletion
from tests.support.canvas import pixels

BROKEN = "damaged or incomplete"


def opened(browser, served, scheme: str = "light"):
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page.goto(f"{served.local_url}?__theme={scheme}")
    page.wait_for_selector("#maps .panels[aria-busy=false] canvas")
    return page


@pytest.fixture
def page(browser, served, patch_file):
    """The lab, opened after a phantom was uploaded; a script error fails the test."""
    page, errors = opened(browser, served), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    words = page.locator("#maps .words").inner_text()
    page.locator("input[type=file]").first.set_input_files(patch_file)
    page.wait_for_function("words => document.querySelector('#maps .words').innerText !== words", arg=words)
    page.get_by_role("tab", name="Threshold lab").click()
    page.wait_for_selector("#lab .panels[aria-busy=false] canvas")
    yield page
    page.close()
    assert errors == []


def measure(page) -> None:
    page.locator("#lab .go").click()
    page.wait_for_selector("#lab .legend:not(:empty)")


def marks(page) -> list[str]:
    """Positions of the lines at the threshold, and of the dots on the curves."""
    return page.locator("#lab :is(.mark, .dot)").evaluate_all(
        "all => all.map(mark => [mark.getAttribute('x1'), mark.getAttribute('cx'), mark.getAttribute('cy')].join())"
    )


def cells(page) -> list[list[str]]:
    return [row.split("\t") for row in page.locator("#lab .charts tbody tr").all_inner_texts()]


def test_a_key_on_the_threshold_moves_lines_dots_and_maps_without_a_request(page):
    page.wait_for_timeout(500)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    kept, before, rows = pixels(page, 1, "#lab"), marks(page), cells(page)
    assert len(before) == 5  # four lines, and the dot of the kept area
    page.locator("#lab .strength input").focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    assert all(a != b for a, b in zip(before[:3], marks(page)[:3], strict=True))
    assert (pixels(page, 1, "#lab") != kept).any()
    assert cells(page)[0] != rows[0]
    assert cells(page)[1:] == rows[1:]
    page.wait_for_timeout(500)
    assert requests == []


def test_curves_are_measured_on_demand_and_are_pythons(page, small, patch, broken_file):
    e = small.explain(patch)
    result = deletion.keep_remove(small, e)
    assert page.locator("#lab .empty").all_text_contents() == ["not measured yet"] * 2
    page.locator("#lab .beside").check()
    page.locator("#lab .go").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => / of 91 pictures/.test(document.querySelector('#lab .count').innerText)")
    assert page.locator("#lab progress").is_visible()
    assert page.evaluate("() => document.activeElement.className") == "halt"
    page.keyboard.press("Enter")
    page.wait_for_selector("#lab progress", state="hidden")
    assert page.evaluate("() => document.activeElement.className") == "go"
    assert page.locator("#lab .empty").count() == 2
    page.locator("#lab .beside").uncheck()
    measure(page)
    rows = threshold_lab.side_by_side(e, "grad_cam", measured=result)
    for shown, row in zip(cells(page), rows, strict=True):
        assert shown[3:] == [f"{100 * row.kept_area:.1f} %", f"{row.keep_only:.3f}", f"{row.remove_only:.3f}"]
    page.get_by_label("logit margin", exact=True).check()
    for shown, row in zip(cells(page), rows, strict=True):
        margins = [f"{v:+.2f}".replace("-", "−") for v in (row.keep_only_margin, row.remove_only_margin)]
        assert shown[4:] == margins
    page.set_viewport_size({"width": 390, "height": 844})
    table = page.locator("#lab .charts table").bounding_box()
    assert table["x"] + table["width"] <= 390 - 24  # the page's own margin
    page.set_viewport_size({"width": 1280, "height": 900})
    page.wait_for_timeout(200)
    by_area = marks(page)
    page.locator("#lab .switches").get_by_label("τ").check()
    assert marks(page) != by_area
    with page.expect_download() as event:
        page.locator("#lab .download").click()
    archive = zipfile.ZipFile(io.BytesIO(event.value.path().read_bytes()))
    saved = json.loads(archive.read("explanation.json"))["keep_remove"]
    np.testing.assert_allclose(saved["curves"]["grad_cam"]["keep"], result.curves["grad_cam"].keep, atol=1e-5)
    # A file that cannot be used leaves the picture, and its curves.
    before, drawn, words = cells(page), pixels(page, 0, "#lab"), page.locator("#lab .words").inner_text()
    page.locator("input[type=file]").first.set_input_files(broken_file)
    page.wait_for_selector(f"text={BROKEN}")
    page.wait_for_timeout(300)
    assert cells(page) == before
    assert page.locator("#lab .words").inner_text() == words
    np.testing.assert_array_equal(pixels(page, 0, "#lab"), drawn)


@pytest.mark.slow
def test_another_map_clears_the_curve_and_is_in_the_link(page, browser):
    measure(page)
    assert "map=" not in page.url
    page.get_by_label("map", exact=True).click()
    page.get_by_role("option", name="LayerCAM").click()
    page.wait_for_selector("#lab h2:has-text('DT LayerCAM')")
    assert page.locator("#lab .empty").count() == 2
    page.wait_for_function("() => location.search.includes('map=layer_cam')")
    assert "methods=" not in page.url
    other = browser.new_page()
    other.goto(page.url)
    other.wait_for_selector("#maps .panels[aria-busy=false] canvas")
    other.get_by_role("tab", name="Threshold lab").click()
    other.wait_for_selector("#lab h2:has-text('DT LayerCAM')")
    other.close()


def tab_to(page, selector: str, most: int = 60) -> None:
    """Press Tab until the focus is there: nothing but the keyboard."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} is not reached by Tab")


def test_the_whole_way_by_keyboard_alone(browser, served):
    page = opened(browser, served)
    words = page.locator("#maps .words").inner_text()
    tab_to(page, ".samples button")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("words => document.querySelector('#maps .words').innerText !== words", arg=words)
    tab_to(page, "[role=tab]")
    tab_to(page, "#maps .rules input")
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    tab_to(page, "#maps .strength input")
    page.keyboard.press("ArrowRight")
    assert re.match(r"p = 81", page.locator("#maps .strength input").get_attribute("aria-valuetext"))
    page.keyboard.press("Shift+Tab")
    for _ in range(60):
        page.keyboard.press("Shift+Tab")
        if "Threshold lab" in page.evaluate("() => document.activeElement.innerText ?? ''"):
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("#lab .panels[aria-busy=false] canvas")
    tab_to(page, "#lab .go")
    page.keyboard.press("Enter")
    page.wait_for_selector("#lab .legend:not(:empty)")
    tab_to(page, "#lab .switches input")
    page.keyboard.press("ArrowRight")
    assert page.locator("#lab .switches input").nth(1).is_checked()
    tab_to(page, ".words-of button")
    page.keyboard.press("Enter")
    page.wait_for_selector(".terms:visible >> text=remove-only")
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_with_a_measured_curve(browser, served, scheme):
    page = opened(browser, served, scheme)
    page.get_by_role("tab", name="Threshold lab").click()
    page.wait_for_selector("#lab .panels[aria-busy=false] canvas")
    page.locator("#lab .beside").check()
    measure(page)
    page.locator(".words-of button:visible").click()
    page.wait_for_selector(".terms:visible")
    violations = Axe().run(page).response["violations"]
    page.close()
    grave = {v["id"]: [n["target"] for n in v["nodes"]] for v in violations if v["impact"] in ("serious", "critical")}
    assert grave == {}


@pytest.mark.slow
def test_how_good_is_it_stays_with_a_phantom_and_with_a_broken_file(browser, served, patch_file, broken_file):
    page = opened(browser, served)
    page.get_by_role("tab", name="How good is it?").click()
    page.wait_for_selector(".results:visible")
    texts, before = page.locator(".results .lead").all_inner_texts(), page.locator(".classes").inner_text()
    assert "report" in texts[0]
    page.locator("input[type=file]").first.set_input_files(broken_file)
    page.wait_for_selector(f"text={BROKEN}")
    page.locator("input[type=file]").first.set_input_files(patch_file)
    page.wait_for_function("text => document.querySelector('.classes').innerText !== text", arg=before)
    assert page.locator(".results .lead").all_inner_texts() == texts
    page.close()
