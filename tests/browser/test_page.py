"""The page as a whole: accessibility, keyboard, links."""

from urllib.parse import parse_qs, urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe

TABS = {
    "Explain": "#maps",
    "Threshold lab": "#lab",
    "Compare methods": "#comparison",
    "Step by step": ".walk img",
    "Can I trust it?": "#trust .lead",
    "How good is it?": ".results",
}


def opened(page, name: str):
    page.get_by_role("tab", name=name).click()
    inside = TABS[name]
    maps = inside in ("#maps", "#lab", "#comparison")
    page.wait_for_selector(f"{inside} .panels[aria-busy=false] canvas" if maps else inside)
    page.wait_for_timeout(500)
    return page


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_nothing_serious_in_any_tab(browser, url, scheme):
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page.goto(f"{url}?__theme={scheme}")
    page.wait_for_selector("#maps .panels[aria-busy=false] canvas")
    for name in TABS:
        opened(page, name)
        violations = Axe().run(page).response["violations"]
        grave = {
            v["id"]: [n["target"] for n in v["nodes"]] for v in violations if v["impact"] in ("serious", "critical")
        }
        assert grave == {}, name
    page.close()


def test_at_390_px_nothing_overflows_in_any_tab(browser, url):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(url)
    page.wait_for_selector("#maps .panels[aria-busy=false] canvas")
    for name in TABS:
        opened(page, name)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390, name
    page.close()


def test_tabs_go_by_keyboard(page):
    page.get_by_role("tab", name="Explain").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=tab][aria-selected=true]:has-text('Threshold lab')")


@pytest.mark.slow
def test_a_link_carries_the_settings_and_not_the_picture(page, browser, url):
    page.get_by_label("percentile").check()
    page.locator("#maps .strength input").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.locator("#maps .display summary").click()
    page.locator("#maps .palette").select_option("cividis")
    opened(page, "Compare methods")
    page.get_by_label("EigenGrad-CAM").check()
    page.get_by_label("Grad-CAM++", exact=True).uncheck()
    page.wait_for_function("() => location.search.includes('eigen_grad_cam') && !location.search.includes('cam_pp')")
    address = page.url
    assert "percentile" in address
    # Nothing that was not chosen.
    assert not {"over", "layer", "evidence", "map", "opacity", "look"} & set(parse_qs(urlparse(address).query))
    other = browser.new_page()
    other.goto(address)
    other.wait_for_selector("#maps .panels[aria-busy=false] canvas")
    assert "p = 81" in other.locator("#maps .strength input").get_attribute("aria-valuetext")
    assert other.locator("#maps .palette").input_value() == "cividis"
    opened(other, "Compare methods")
    titles = other.locator("#comparison h2").all_inner_texts()
    assert "EigenGrad-CAM" in titles
    assert "Grad-CAM++" not in titles
    other.close()


@pytest.mark.slow
def test_invalid_settings_in_a_link_are_ignored(browser, url):
    search = "rule=magic&strength=9e9&palette=x&opacity=nan&methods=score_cam,x&layer=..&over=over"
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{url}?{search}")
    page.wait_for_selector("#maps .panels[aria-busy=false] canvas")
    opened(page, "Compare methods")
    assert page.locator("#comparison h2").count() == 4
    assert errors == []
    page.close()
