"""Pictures of the app at 1280 and 390 px, light and dark, and the one that the README shows.

    python tests/browser/screenshots.py

Writes to `screenshots/`, and the wide light one to `.github/app.png`.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "browser")]

from conftest import FLAGS, chromium_path

import app
from dala import Explainer


def main() -> None:
    out = ROOT / "screenshots"
    out.mkdir(exist_ok=True)
    demo = app.build(Explainer.load())
    _, url, _ = app.launch(demo, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        for width, height in ((1280, 800), (390, 844)):
            for scheme in ("light", "dark"):
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                page.goto(f"{url}?__theme={scheme}")
                page.wait_for_selector("#maps .panels[aria-busy=false] canvas")
                page.wait_for_timeout(1500)
                page.screenshot(path=out / f"compare-{width}-{scheme}.png", full_page=True)
                page.close()
        browser.close()
    demo.close()
    (ROOT / ".github").mkdir(exist_ok=True)
    shutil.copy(out / "compare-1280-light.png", ROOT / ".github" / "app.png")


if __name__ == "__main__":
    main()
