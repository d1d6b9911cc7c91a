"""A network, samples, a report, a card, a file's name and a link full of markup, in Chromium: text everywhere, code
nowhere.
"""

import copy
import io
import json
import zipfile
from urllib.parse import urlencode

import pytest

import app
from dala import DALAResNet50, Explainer
from dala.models import serialization
from tests.support.reports import REPORT

RUN = "window.pwned = (window.pwned || 0) + 1"
MARKUP = (
    f"<img src=x onerror='{RUN}'>",
    f"</script><script>{RUN}</script>",
    f"\"'><svg onload={RUN.replace(' ', '')}>",
    f"[x](javascript:{RUN.replace(' ', '')}) <iframe srcdoc='<script>parent.{RUN}</script>'>",
)
# Where each tab shows a class or a title.
TABS = {
    "Explain": "#maps", "Threshold lab": "#lab", "Compare methods": "#comparison", "Step by step": "#walk",
    "Can I trust it?": "#trust", "How good is it?": ".results",
}  # fmt: skip
# What of it is in the page as elements.
MADE = "[onerror], [onload], img[src='x'], iframe[srcdoc], a[href^='javascript'], script:not([src]):not([type])"


@pytest.fixture(scope="module")
def hostile(small, patch, tmp_path_factory):
    """The app around a network whose every text is markup, with samples and a report that are, too."""
    folder = tmp_path_factory.mktemp("hostile") / "weights <img src=x onerror=alert(1)>"
    model = DALAResNet50(
        MARKUP[:2], small.preprocessing, {"data": MARKUP[0], "also": {"magnification": MARKUP[1], "images": MARKUP[2]}}
    )
    model.load_state_dict(small.model.state_dict())
    serialization.save(model.eval(), folder)
    report = copy.deepcopy(REPORT) | {"title": MARKUP[0], "provenance": {"data": MARKUP[1], "magnification": MARKUP[2]}}
    report["scores"]["by_patient"][0] |= {"patient": MARKUP[0], "label": MARKUP[3]}
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "README.md").write_text("\n\n".join(("# A card", *MARKUP)))
    (folder / "samples").mkdir()
    patch.save(folder / "samples" / "a <b>.png")
    row = {"file": "a <b>.png", "caption": MARKUP[0], "origin": MARKUP[1], "licence": MARKUP[3]}
    (folder / "samples" / "samples.json").write_text(json.dumps([row]))
    own = tmp_path_factory.mktemp("own")
    patch.save(own / "patch.png")
    (own / "samples.json").write_text(json.dumps([row | {"file": "patch.png"}]))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DALA_SAMPLES", str(own))
        demo = app.build(Explainer.load(folder, "cpu"), f"note {MARKUP[0]}")
        app.launch(demo, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    yield demo
    demo.close()


@pytest.mark.slow
def test_markup_is_text_in_every_tab(hostile, browser, patch_file):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    bad: list[str] = []
    page.on("pageerror", lambda error: bad.append(str(error)))
    page.on("response", lambda answer: bad.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    page.on("dialog", lambda dialog: bad.append(dialog.message))
    link = dict.fromkeys(("map", "methods", "over", "layer", "rule", "palette", "strength", "opacity"), MARKUP[0])
    page.goto(f"{hostile.local_url}?{urlencode(link | {'evidence': MARKUP[1], '__theme': 'light'})}")
    page.wait_for_selector("#maps .panels[aria-busy=false] canvas")
    before = page.evaluate(f"document.querySelectorAll({MADE!r}).length")
    serial = page.locator(".run").first.inner_text()
    name = '<img src=x onerror="window.pwned=1">.png'
    page.locator("input[type=file]").first.set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": patch_file.read_bytes()}
    )
    page.wait_for_function("before => document.querySelector('.run').innerText !== before", arg=serial)
    for tab, place in TABS.items():
        page.get_by_role("tab", name=tab).click()
        if tab == "Can I trust it?":
            page.locator("#trust-ask").click()
        page.wait_for_function(
            "([place, texts]) => texts.some(one => document.querySelector(place).textContent.includes(one))",
            arg=[place, MARKUP[:2]], timeout=90000,
        )  # fmt: skip
        for closed in ("details:not([open]) > summary", "button.label-wrap:not(.open)"):
            page.locator(closed).evaluate_all("all => all.forEach(one => one.click())")
        page.wait_for_timeout(300)
        assert page.evaluate("window.pwned") is None, tab
        assert page.evaluate(f"document.querySelectorAll({MADE!r}).length") == before, tab
    page.locator(".samples button, .samples .thumbnail-item").first.click()
    page.get_by_role("tab", name="Explain").click()
    page.wait_for_timeout(1000)
    text = page.locator("body").inner_text()
    for where, expected in (("class", MARKUP[0]), ("other class", MARKUP[1]), ("note", f"note {MARKUP[0]}")):
        assert expected in text, where
    assert page.evaluate("window.pwned") is None
    with page.expect_download() as download:
        page.locator("#maps .download").click()
    with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as archive:
        assert all(entry.replace("_", "").replace(".", "").isalnum() for entry in archive.namelist())
    page.close()
    assert bad == []
