"""The tab "Can I trust it?" in Chromium: on a phantom, by keyboard, and after a broken file."""

import pytest
from axe_playwright_python.sync_playwright import Axe

SERIOUS = ("serious", "critical")


@pytest.fixture
def page(browser, served, patch_file):
    page, errors = browser.new_page(viewport={"width": 1280, "height": 900}), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(served.local_url)
    page.wait_for_selector("#maps .panels[aria-busy=false] canvas")
    words = page.locator("#maps .words").inner_text()
    page.locator("input[type=file]").first.set_input_files(patch_file)
    page.wait_for_function("words => document.querySelector('#maps .words').innerText !== words", arg=words)
    page.get_by_role("tab", name="Can I trust it?").click()
    # Every tab hears of the new picture, one after the other; what was asked before would be of the old one.
    page.wait_for_timeout(2500)
    yield page
    page.close()
    assert errors == []


def test_one_button_by_keyboard_a_verdict_with_pictures_and_a_broken_file(page, broken_file):
    assert "has not been checked yet" in page.locator("#trust").inner_text()
    page.locator("#trust-ask").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#trust [role=progressbar]", timeout=2000)
    page.wait_for_selector("#trust .verdict", timeout=60000)
    assert page.locator("#trust section.trust-check").count() == 3
    assert page.locator("#trust .strip img").count() == 8 + 14
    assert all(page.locator("#trust .strip img").evaluate_all("all => all.map(i => i.complete && i.naturalWidth > 0)"))
    assert all(page.locator("#trust .strip img").evaluate_all("all => all.map(i => i.alt.length > 10)"))
    found = Axe().run(page, context="#trust", options={"runOnly": ["wcag2a", "wcag2aa"]}).response["violations"]
    assert [v["id"] for v in found if v["impact"] in SERIOUS] == []
    with page.expect_download() as download:
        page.locator("#trust-save").click()
    assert download.value.suggested_filename.endswith(".zip")
    # A file that cannot be read leaves picture and verdict as they are.
    page.locator("input[type=file]").first.set_input_files(broken_file)
    page.get_by_text("damaged or incomplete").first.wait_for()
    assert page.locator("#trust .verdict").is_visible()
    # Another picture: what was found is of the one before.
    page.locator(".samples .thumbnail-item").nth(1).click()
    page.get_by_text("This map has not been checked yet").wait_for(timeout=20000)
