"""The page's scripts share one global, `dala`; each adds one entry of its own name, whichever is loaded first."""

from pathlib import Path

import pytest

from dala.ui.mapview import view
from dala.ui.visit import component

UI = Path(view.__file__).parents[1]
MAPS = [UI / "mapview" / name for name in view.SCRIPTS]
VISIT = [UI / "visit" / name for name in component.SCRIPTS]
SCRIPTS = [*MAPS, *(UI / "mapview" / name for name in view.CHARTS), *VISIT]


def stems(files) -> set[str]:
    return {file.stem for file in files}


def globals_of(page) -> set[str]:
    return set(page.evaluate("() => Object.getOwnPropertyNames(window)"))


def test_every_script_is_loaded():
    assert sorted(SCRIPTS) == sorted(UI.rglob("*.js"))


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.stem)
def test_a_script_adds_nothing_but_its_entry(browser, file):
    page, errors = browser.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    before = globals_of(page)
    for _ in range(2):  # a constant at the top level, no property of the window, could not be declared twice
        page.add_script_tag(path=file)
    assert globals_of(page) - before == {"dala"}
    assert page.evaluate("() => Object.keys(dala)") == [file.stem]
    page.close()
    assert errors == []


def test_all_map_views_share_them(page):
    assert set(page.evaluate("() => Object.keys(dala)")) == stems([*MAPS, *VISIT])
    page.get_by_role("tab", name="Threshold lab").click()
    page.wait_for_selector("#lab .panels[aria-busy=false] canvas")
    assert set(page.evaluate("() => Object.keys(dala)")) == stems(SCRIPTS)
    texts = page.evaluate("() => [...document.scripts].map(script => script.textContent)")
    assert sum(text.lstrip().startswith("// Pixels") for text in texts) == 1
