"""Weights from the Hub in Chromium: for everybody by `DALA_MODEL`, or for one session by the model panel."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import app
from dala import DALAResNet50, Explainer
from dala.phantoms import phantom
from tests.support.fake_hub import COMMIT, Fault, Hub, point

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A network of three classes with a sample of its own."""
    folder = tmp_path_factory.mktemp("three")
    names, size = ["benign", "in situ", "invasive"], {"height": 96, "width": 128, "magnification": "20X"}
    DALAResNet50(names, size, {"data": "BACH"}).save_pretrained(folder)
    (folder / "samples").mkdir()
    phantom.make(5, size=(128, 96)).picture.save(folder / "samples" / "one.png")
    (folder / "samples" / "samples.json").write_text('[{"file": "one.png", "caption": "one of theirs"}]')
    return folder


def opened(browser, url: str):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(url)
    page.wait_for_selector("#maps .panels[aria-busy=false] canvas")
    return page


def choose(page, source: str) -> None:
    page.get_by_role("button", name="Model").click()
    box = page.get_by_placeholder("user/repo or user/repo@revision")
    box.fill(source)
    box.press("Enter")


@pytest.mark.slow
def test_one_session_chooses_and_the_other_keeps_its_own(browser, small, three, tmp_path, monkeypatch):
    with Hub({"you/net": three}, {"you/gated": Fault(status=403, code="GatedRepo")}) as hub:
        point(monkeypatch, hub.url, tmp_path / "cache")
        demo = app.build(small)
        _, url, _ = app.launch(demo, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
        mine, theirs = opened(browser, url), opened(browser, url)
        choose(mine, "you/gated")
        mine.wait_for_selector("text=request access")
        assert mine.locator(".classes input").count() == 2
        mine.get_by_role("button", name="Model").click()
        choose(mine, "you/net")
        mine.wait_for_function("() => document.querySelectorAll('.classes input').length === 3")
        assert COMMIT in mine.locator(".facts").inner_text()
        assert "one of theirs" in mine.locator(".samples").inner_text()
        mine.locator(".samples button").first.click()
        mine.get_by_role("tab", name="Compare methods").click()
        mine.wait_for_selector("#comparison .panels[aria-busy=false] canvas")
        assert theirs.locator(".classes input").count() == 2
        theirs.locator(".samples button").nth(1).click()
        theirs.wait_for_timeout(1500)
        assert theirs.locator(".classes input").count() == 2
        mine.get_by_role("button", name="back to the first one").click()
        mine.wait_for_function("() => document.querySelectorAll('.classes input').length === 2")
        for page in (mine, theirs):
            page.close()
        demo.close()


@pytest.mark.slow
def test_the_app_starts_from_the_hub(browser, three, tmp_path):
    with Hub({"you/net": three}) as hub:
        environment = {
            **os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "DALA_MODEL": "you/net",
            "GRADIO_SERVER_PORT": "7999", "GRADIO_ANALYTICS_ENABLED": "False",
        }  # fmt: skip
        for what in ("cold", "warm"):
            began, asked = time.perf_counter(), len(hub.requests)
            process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
            )
            try:
                assert process.stdout is not None
                line = next(line for line in process.stdout if "http://" in line)
                page = opened(browser, re.search(r"http://\S+", line)[0])
                print(f"{what} cache: {time.perf_counter() - began:.1f} s from the command to the first map")
                assert page.locator(".classes input").count() == 3
                assert "BACH, 20X" in page.locator(".head").inner_text()
                assert (len(hub.requests) > asked) is (what == "cold")
                page.close()
            finally:
                process.terminate()
                process.wait()


@pytest.mark.slow
def test_a_model_that_is_not_there_is_one_sentence(tmp_path):
    with Hub({}) as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "DALA_MODEL": "you/nothing"}
        done = subprocess.run([sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "no such repository" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_explainer_given_by_a_program_runs_too(browser, three):
    demo = app.build(Explainer(DALAResNet50(["a", "b"], {"height": 96, "width": 128}).eval(), device="cpu"))
    _, url, _ = app.launch(demo, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    page = opened(browser, url)
    page.get_by_role("tab", name="How good is it?").click()
    page.wait_for_selector("text=No cross-validated report")
    page.close()
    demo.close()
