"""A picture that is no tissue: the warning is above the probabilities, and goes away with the picture."""

import numpy as np
import pytest
from PIL import Image

from tests.support import non_tissue

BOX = ".alert [role=alert]"


@pytest.fixture
def cat(tmp_path):
    file = tmp_path / "cat.png"
    Image.open(non_tissue.SKIMAGE / "chelsea.png").save(file)
    return file


def explained(page, act):
    before = page.locator(".run").first.inner_text()
    act()
    page.wait_for_function("before => document.querySelector('.run').innerText !== before", arg=before)


def test_a_cat_is_warned_of_above_its_probabilities_and_a_phantom_is_not(page, cat):
    assert page.locator(BOX).count() == 0
    explained(page, lambda: page.locator("input[type=file]").first.set_input_files(cat))
    box = page.locator(BOX)
    box.wait_for()
    assert "does not look like a haematoxylin-eosin patch" in box.inner_text()
    assert box.bounding_box()["y"] < page.locator(".classes").bounding_box()["y"]
    explained(page, lambda: page.locator(".samples .thumbnail-item").nth(1).click())
    box.wait_for(state="detached")


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_the_warning_can_be_read(browser, url, cat, scheme):
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.goto(f"{url}?__theme={scheme}")
    page.wait_for_selector("#maps .panels[aria-busy=false] canvas")
    page.locator("input[type=file]").first.set_input_files(cat)
    page.wait_for_selector(BOX)
    ink, paper = page.locator(BOX).evaluate("b => [getComputedStyle(b).color, getComputedStyle(b).backgroundColor]")
    assert contrast(ink, paper) >= 4.5
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    page.close()


def contrast(*colours):
    """Ratio of the relative luminances of two "rgb(r, g, b)" (WCAG 2)."""
    light = []
    for colour in colours:
        channels = np.array([int(v) for v in colour[colour.index("(") + 1 : -1].split(",")[:3]]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        light.append(linear @ (0.2126, 0.7152, 0.0722) + 0.05)
    return max(light) / min(light)
