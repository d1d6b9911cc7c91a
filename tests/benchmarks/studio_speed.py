"""How long a visitor waits, in Chromium: for the first page, a sample, a threshold that moves, methods side by side.

    python tests/benchmarks/studio_speed.py

Prints a table of milliseconds, each row beside its target. A time ends with the first message after the animation frame
in which the pictures were drawn, so that they are painted. The forward pass is measured in this process, with nothing
else going on.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, Page, sync_playwright

import app
from dala import Explainer
from dala.explain.explanation import Explanation
from dala.heatmaps.looks import LOOKS
from dala.publishing import samples
from tests.support.chromium import FLAGS, chromium_path

SEVEN = ("grad_cam", "grad_cam_pp", "hires_cam", "xgrad_cam", "layer_cam", "eigen_cam", "eigen_grad_cam")
TILES = ("grad_cam", "grad_cam_pp", "layer_cam", "eigen_cam", "eigen_grad_cam", "random")  # no two coincide
PRESSES = 150
SCRIPTS = """
  window.frame = () => new Promise(requestAnimationFrame);
  window.painted = async () => {
    await frame();
    await new Promise(done => {
      const channel = new MessageChannel();
      channel.port1.onmessage = done;
      channel.port2.postMessage(0);
    });
  };
  // From a click until a view has painted other canvases than it had.
  window.clicked = async (clickable, view) => {
    const canvas = () => document.querySelector(`${view} .panels[aria-busy=false] canvas`), before = canvas();
    const began = performance.now();
    document.querySelector(clickable).click();
    while (!canvas() || canvas() === before) await frame();
    await painted();
    return performance.now() - began;
  };
  // From each key press on a control until what it changed is painted.
  window.listen = control => {
    window.presses = [];
    control.onkeydown = async event => {
      await painted();
      presses.push(performance.now() - event.timeStamp);
    };
  };
"""


class Noted(Explainer):
    """Keeps what it explained: its forward passes tell their time."""

    passed: list[Explanation]

    def explain_image(self, *given: Any, **more: Any) -> Explanation:
        self.passed.append(super().explain_image(*given, **more))
        return self.passed[-1]


def tell(what: str, times: Sequence[float], target: float | None = None, note: str = "") -> None:
    """A row of the table, printed at once."""
    median, p95 = np.percentile(times, (50, 95))
    aim = f"target {target:.0f}" if target else ""
    print(f"{what:<58} median {median:5.0f}  p95 {p95:5.0f}  n {len(times):<4} {aim:<12} {note}", flush=True)


def opened(browser: Browser, url: str) -> tuple[Page, float]:
    """A new page, and the milliseconds until its maps were painted."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(SCRIPTS)
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector("#maps .panels[aria-busy=false] canvas")
    page.evaluate("painted()")
    return page, 1000 * (time.perf_counter() - began)


def clicked(page: Page, clickable: str, view: str) -> float:
    page.wait_for_timeout(500)  # for what the click before has left to do
    return page.evaluate("([what, view]) => clicked(what, view)", [clickable, view])


def pressed(page: Page, view: str) -> list[float]:
    """Milliseconds of real key presses on a view's threshold, there and back over most of its range."""
    page.locator(f"{view} .strength input").focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(800)  # for the sentence that is spoken when the control rests
    page.evaluate("listen(document.activeElement)")
    for i in range(PRESSES):
        page.keyboard.press("ArrowRight" if i < PRESSES / 2 else "ArrowLeft")
        page.evaluate("painted()")
    return page.evaluate("presses")


def thresholds(page: Page, view: str, what: str, target: float) -> None:
    page.wait_for_timeout(1500)  # for the thumbnails that a click before has sent for
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    for look in LOOKS:
        page.locator(f"{view} .look").evaluate(
            "(menu, look) => { menu.value = look; menu.dispatchEvent(new Event('change', {bubbles: true})); }", look
        )
        times = pressed(page, view)
        tell(f"threshold key to {what}, {look}", times, target, f"requests: {len(requests)}")


def explain_tab(browser: Browser, url: str, alone: float, passed: list[Explanation]) -> None:
    page, first = opened(browser, url)
    tell("first page of the server, to both maps", [first], 3000)
    others = [opened(browser, url) for _ in range(5)]
    tell("later first pages, to both maps", [took for _, took in others], 3000)
    for other, _ in others:
        other.close()
    buttons = [f".samples .gallery-item:nth-child({i + 1}) button" for i in range(len(samples.find()))]
    new = [clicked(page, button, "#maps") for button in buttons[1:]]
    within = 1000 * np.median([e.seconds for e in passed])
    note = f"forward pass: {alone:.0f} alone, {within:.0f} beside the browser"
    tell("sample never explained before, to both maps", new, 1000 + alone, note)
    again = [clicked(page, button, "#maps") for button in 3 * buttons]
    tell("sample explained before, to both maps", again, 1000)
    thresholds(page, "#maps", "both maps", 40)
    page.close()


def compare_tab(browser: Browser, url: str) -> None:
    page, _ = opened(browser, f"{url}?methods={','.join(SEVEN[:6])}&layer=layer3")
    took = clicked(page, "[role=tab][data-tab-id=compare]", "#comparison")
    tell("six of the seven at another layer, with a forward pass", [took], 1500)
    turned = [clicked(page, f".evidence input[value={name}]", "#comparison") for name in 5 * ("against", "for")]
    tell("the same for other evidence, without one", turned, 1500)
    page.close()
    page, _ = opened(browser, f"{url}?methods={','.join(TILES)}&dt=1")
    clicked(page, "[role=tab][data-tab-id=compare]", "#comparison")
    times = [clicked(page, ".methods input[name=random]", "#comparison") for _ in range(10)]
    tell("a method less or more, to five or six maps", times, 1500)
    thresholds(page, "#comparison", "six maps", 80)
    page.close()


def engine(explainer: Explainer) -> float:
    """The median of a forward pass alone, in milliseconds; prints that of the seven methods from file to maps."""
    file = samples.find()[0].file
    explainer.explain(file)
    alone = [1000 * explainer.explain(file).seconds for _ in range(7)]
    tell("forward and small backward pass, in this process", alone)
    whole = []
    for _ in range(7):
        began = time.perf_counter()
        explainer.explain(file, methods=SEVEN)
        whole.append(1000 * (time.perf_counter() - began))
    tell("explain() with all seven methods, in this process", whole, 1500)
    return float(np.median(alone))


def main() -> None:
    explainer = Explainer.load()
    alone = engine(explainer)
    served = Noted(explainer.model)
    served.passed = passed = []
    demo = app.build(served)
    _, url, _ = app.launch(demo, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        explain_tab(browser, url, alone, passed)
        compare_tab(browser, url)
        browser.close()
    demo.close()


if __name__ == "__main__":
    main()
