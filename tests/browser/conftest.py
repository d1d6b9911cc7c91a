"""A running app and a real Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import app
from tests.support.chromium import FLAGS, chromium_path


@pytest.fixture(scope="session")
def url(explainer) -> Iterator[str]:
    demo = app.build(explainer)
    _, address, _ = app.launch(demo, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    yield address
    demo.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """The app, opened at 1280 px, with its first sample explained; a script error fails the test."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    page.wait_for_selector("#maps .panels[aria-busy=false] canvas")
    yield page
    page.close()
    assert not errors
