"""Every term on the page has a sentence, and every tab lists the terms that it uses."""

import re
from pathlib import Path

import gradio as gr
import pytest

import app
from dala import cam
from dala.cam import gradient
from dala.heatmaps import thresholds
from dala.lessons import glossary as lessons_glossary
from dala.trust import infill
from dala.ui.tabs import glossary

TABS = ("explain", "lab", "compare", "steps", "results")
UI = Path(glossary.__file__).parents[1] / "mapview"
# Labels in everyday language: what they mean is what they say.
PLAIN = {
    "Methods, 2 to 6",
    "map",
    "explain",
    "display",
    "opacity",
    "palette",
    "left",
    "right",
    "between",
    "rule",
    "wipe between two",
}


def labels(demo: gr.Blocks, tab: str) -> set[str]:
    """Labels of a tab's components, and of their choices."""
    (chosen,) = (block for block in demo.blocks.values() if isinstance(block, gr.Tab) and block.id == tab)
    names: set[str] = set()
    waiting = list(chosen.children)
    while waiting:
        block = waiting.pop()
        waiting += getattr(block, "children", [])
        if isinstance(block, (gr.Dropdown, gr.Radio, gr.CheckboxGroup, gr.Textbox)) and block.visible is True:
            names.add(block.label)
        if isinstance(block, (gr.CheckboxGroup, gr.Dropdown)) and block.label not in ("explain", "layer"):
            names |= {title for title, _ in block.choices}
    return names


def drawn(tab: str) -> set[str]:
    """Labels that the scripts of the map view and its charts write."""
    if tab == "results":
        return set()
    html, charts = (UI / "mapview.html").read_text(), (UI / "charts.js").read_text()
    names = {
        t.strip() for t in re.findall(r"<(?:label|legend|summary)[^>]*>(?:<input[^>]*>|<span[^>]*>)?([^<]+)<", html)
    }
    if tab != "compare":
        names -= {
            "thresholded (DT)",
            "all at the kept area of the first",
            "one colour scale for all",
            "left",
            "right",
            "between",
        }
    names |= {rule.label for rule in thresholds.RULES.values()}
    if tab == "lab":
        names |= set(re.findall(r"plot\.chart\(root, '([^']+)'", charts)) | {b.label for b in infill.INFILLS.values()}
        names |= {"hidden pixels become", "probability", "logit margin", "τ"}
    return names


@pytest.fixture(scope="module")
def demo(small) -> gr.Blocks:
    return app.build(small)


@pytest.mark.parametrize("tab", TABS)
def test_every_label_of_a_tab_is_plain_or_explained_there(demo, tab):
    known = [term.lower() for term in glossary.of(tab)]
    # "strength k" explains "strength", "overlap (IoU)" explains "overlap": any word of a term will do.
    parts = {part for term in known for part in (term, *re.findall(r"[\w+·τ-]{3,}|τ", term))}
    left = {label for label in labels(demo, tab) | drawn(tab) if not any(part in label.lower() for part in parts)}
    assert left <= PLAIN, left - PLAIN


def test_every_method_rule_and_baseline_has_its_sentence():
    names = lessons_glossary.everything()
    for thing in (*cam.METHODS.values(), *thresholds.RULES.values(), *infill.INFILLS.values()):
        assert thing.meaning, thing
        assert getattr(thing, "title", getattr(thing, "label", "")) in names


def test_sentences_are_one_line_each():
    for term, sentence in lessons_glossary.everything().items():
        assert sentence[0].isupper(), term
        assert sentence.endswith("."), term
        assert 25 <= len(sentence) <= 160, (term, len(sentence))


@pytest.mark.parametrize("tab", TABS)
def test_a_tab_lists_only_known_terms(tab):
    assert glossary.of(tab).items() <= lessons_glossary.everything().items()


def test_a_method_of_your_own_needs_no_sentence_and_brings_no_markup(monkeypatch):
    monkeypatch.setitem(
        cam.METHODS, "own", cam.Method(gradient.grad_cam, "<b>own</b>", "", "mine, and mine alone, as of today")
    )
    monkeypatch.setitem(cam.METHODS, "silent", cam.Method(gradient.grad_cam, "silent", ""))
    with gr.Blocks() as page:
        glossary.build("compare")
    names = next(block.value for block in page.blocks.values() if isinstance(block, gr.HTML))
    assert "<dt>&lt;b&gt;own&lt;/b&gt;</dt><dd>Mine, and mine alone, as of today.</dd>" in names
    assert "silent" not in names
