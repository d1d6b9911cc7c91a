"""How long from a key press on the threshold until both maps are painted, in Chromium, and how many requests it sends.

    python tests/benchmarks/repaint.py

Prints milliseconds: of script (the handler alone), and until the frame after it was painted.
"""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "browser")]

from conftest import FLAGS, chromium_path
from playwright.sync_api import sync_playwright

import app
from dala import Explainer

MEASURE = """async steps => {
  const control = document.querySelector('#maps .strength input'), rows = [];
  for (let i = 0; i < steps; i++) {
    await new Promise(requestAnimationFrame);
    const began = performance.now();
    control.value = i % 100;
    control.dispatchEvent(new Event('input', {bubbles: true}));
    const script = performance.now() - began;
    // The message is handled after the frame that this animation frame leads to.
    await new Promise(done => requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = done;
      channel.port2.postMessage(0);
    }));
    rows.push([script, performance.now() - began]);
  }
  return rows;
}"""


def main() -> None:
    demo = app.build(Explainer.load())
    _, url, _ = app.launch(demo, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(url)
        page.wait_for_selector("#maps .panels[aria-busy=false] canvas")
        page.wait_for_timeout(1000)
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        for contour in (False, True):
            page.evaluate(
                "on => { const c = document.querySelector('#maps .contour'); if (c.checked !== on) c.click(); }",
                contour,
            )
            times = np.array(page.evaluate(MEASURE, 300))
            median, p95 = np.percentile(times, (50, 95), axis=0)
            print(f"{'outline' if contour else 'overlay'}: script {median[0]:.1f} ms, p95 {p95[0]:.1f}; "
                  f"painted {median[1]:.1f} ms, p95 {p95[1]:.1f}; requests {len(requests)}")  # fmt: skip
        browser.close()
    demo.close()


if __name__ == "__main__":
    main()
