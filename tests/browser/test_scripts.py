"""The page's scripts share one global, `dala`; each adds one entry of its own name, whichever is loaded first."""

from pathlib import Path

import pytest

from dala.ui.mapview import view

FOLDER = Path(view.__file__).parent
SCRIPTS = (*view.SCRIPTS, *view.CHARTS)


def globals_of(page) -> set[str]:
    return set(page.evaluate("() => Object.getOwnPropertyNames(window)"))


def test_every_script_is_loaded():
    assert sorted(SCRIPTS) == sorted(file.name for file in FOLDER.glob("*.js"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_adds_nothing_but_its_entry(browser, name):
    page, errors = browser.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    before = globals_of(page)
    for _ in range(2):  # a constant at the top level, no property of the window, could not be declared twice
        page.add_script_tag(path=FOLDER / name)
    assert globals_of(page) - before == {"dala"}
    assert page.evaluate("() => Object.keys(dala)") == [Path(name).stem]
    page.close()
    assert errors == []


def test_all_map_views_share_them(page):
    assert set(page.evaluate("() => Object.keys(dala)")) == {Path(name).stem for name in view.SCRIPTS}
    page.get_by_role("tab", name="Threshold lab").click()
    page.wait_for_selector("#lab .panels[aria-busy=false] canvas")
    assert set(page.evaluate("() => Object.keys(dala)")) == {Path(name).stem for name in SCRIPTS}
    texts = page.evaluate("() => [...document.scripts].map(script => script.textContent)")
    assert sum(text.lstrip().startswith("// Pixels") for text in texts) == 1
