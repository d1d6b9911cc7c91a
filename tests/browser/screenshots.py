"""Pictures of every tab at 1280 and 390 px, light and dark, and those that the README shows.

    python tests/browser/screenshots.py

Writes to `screenshots/`, and three of the wide light ones to `.github/`.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import app
from dala import Explainer
from tests.support.chromium import FLAGS, chromium_path

# File in `.github/`, and the part of the page: the patch at the left need not be seen three times.
README = {
    "explain": ("app", (0, 0, 1280, 880)),
    "compare": ("compare", (336, 40, 1280, 1060)),
    "lab": ("lab", (336, 40, 1280, 1570)),
}
MOST_BYTES = 400_000
# Thumbnails and formulas come after the maps; what moves has come to rest.
SETTLED = """() => [...document.images].every(i => i.loading === 'lazy' || i.complete && (i.naturalWidth || !i.src))
  && document.fonts.status === 'loaded' && document.getAnimations().every(a => a.playState !== 'running')
  && ![...document.querySelectorAll('[data-testid=status-tracker] .eta-bar')].some(e => e.offsetParent)"""


def explain(page: Page) -> None:
    page.wait_for_selector("#maps .panels[aria-busy=false] canvas")


def lab(page: Page) -> None:
    page.wait_for_selector("#lab .panels[aria-busy=false] canvas")
    page.locator("#lab .go").click()
    page.wait_for_selector("#lab .legend:not(:empty)", timeout=300_000)
    page.get_by_label("logit margin", exact=True).check()  # the probability of this sample is 1.000 all along


def compare(page: Page) -> None:
    page.wait_for_selector("#comparison .panels[aria-busy=false] canvas")
    page.wait_for_selector(".agreement td")


def steps(page: Page) -> None:
    """The fourth of six, whose pictures stand for all."""
    page.wait_for_selector("#step-1 img")
    for number in range(2, 5):
        page.locator("#walk-forth").click()
        page.wait_for_selector(f"#walk .step-button[aria-selected=true][data-tab-id='{number}']")
    page.wait_for_selector("#step-4 svg[role=img]")


def results(page: Page) -> None:
    page.wait_for_selector(".results:visible")


TABS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "explain": ("Explain", explain),
    "lab": ("Threshold lab", lab),
    "compare": ("Compare methods", compare),
    "steps": ("Step by step", steps),
    "results": ("How good is it?", results),
}


def shoot(browser: Browser, url: str, width: int, scheme: str, out: Path) -> None:
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page.goto(f"{url}?__theme={scheme}")
    explain(page)
    for name, (title, ready) in TABS.items():
        page.get_by_role("tab", name=title).click()
        ready(page)
        # Neither the focus that a click leaves nor the pointer is part of the page.
        page.evaluate("() => document.activeElement?.blur()")
        page.mouse.move(0, 0)
        page.wait_for_function(SETTLED)
        page.add_style_tag(content=".dock { position: static !important; }")  # it would cover the middle
        page.screenshot(path=out / f"{name}-{width}-{scheme}.png", full_page=True)
    page.close()


def main() -> None:
    out = ROOT / "screenshots"
    out.mkdir(exist_ok=True)
    demo = app.build(Explainer.load())
    _, url, _ = app.launch(demo, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        for width in (1280, 390):
            for scheme in ("light", "dark"):
                shoot(browser, url, width, scheme, out)
        browser.close()
    demo.close()
    for name, (shown, part) in README.items():
        small(Image.open(out / f"{name}-1280-light.png"), part, ROOT / ".github" / f"{shown}.png")


def small(picture: Image.Image, part: tuple[int, int, int, int], file: Path) -> None:
    """A picture for the README: 256 colours of its own, dithered so that colour bars stay smooth."""
    picture = picture.convert("RGB").crop(part)
    picture.quantize(palette=picture.quantize(256, kmeans=2)).save(file, optimize=True)
    if file.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{file} has {file.stat().st_size} bytes: more than a README should make people load.")


if __name__ == "__main__":
    main()
