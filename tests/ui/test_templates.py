"""Text of strangers on every page: it is shown as text, and never becomes an element or an attribute."""

import copy
import html
import json
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import gradio as gr
import pytest
import torch
from jinja2 import UndefinedError

import app
from dala import DALAResNet50, Explainer, cam, markup
from dala.cam import gradient
from dala.explain.decomposition import Steps
from dala.lessons import svg, trust_page, walkthrough
from dala.publishing import samples
from dala.trust import verdict
from dala.ui.current import Source
from dala.ui.model_cache import HOST, ModelCache
from dala.ui.session import Page
from dala.ui.sidebar.patch import Patch
from dala.ui.tabs import agreement, glossary, results, results_benchmark, tables
from dala.ui.tabs.walkthrough import StepByStep
from tests.support.reports import REPORT, STUDY

HOSTILE = "\"'><img src=x onerror=alert(1)></script><script>alert(1)</script>{{ 7 * 7 }}"


class Elements(HTMLParser):
    """Tags, attributes and text of a page, as a browser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.text = ""
        self.feed(str(page))  # `Markup` would escape what it is joined with

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")

    def handle_data(self, data):
        self.text += data


def assert_text_only(page: str) -> None:
    elements = Elements(page)
    assert "script" not in elements.tags
    assert "onerror" not in elements.attributes
    assert "x" not in elements.attributes.get("src", [])
    assert HOSTILE in elements.text or any(HOSTILE in value for value in elements.attributes.get("alt", []))


@pytest.fixture(scope="module")
def hostile(small) -> Explainer:
    model = DALAResNet50(["benign", HOSTILE], small.preprocessing, {"data": HOSTILE})
    model.load_state_dict(small.model.state_dict())
    return Explainer(model.eval(), device="cpu")


@pytest.fixture
def with_files(explainer, tmp_path) -> Callable[..., Explainer]:
    """The shipped network with JSON files of one's own beside its weights."""

    def write(**files: dict) -> Explainer:
        for name, content in files.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
        one = copy.copy(explainer)
        one.origin = replace(explainer.origin, folder=tmp_path)
        return one

    return write


def test_trust_page(hostile, patch):
    e = hostile.explain(patch, HOSTILE)
    page = trust_page.page(verdict.check(hostile, e), e)
    labels = " ".join(Elements(page).attributes["aria-label"])
    assert "script" not in Elements(page).tags
    assert HOSTILE in Elements(page).text
    assert "logit margin" in labels


def test_step_by_step(hostile, patch_file):
    with gr.Blocks():
        content = StepByStep(Page(ModelCache(hostile), first="steps"), samples.find())
    column = Patch(content.page, samples.find())
    current = column.target(HOSTILE, column._explain(Source(patch_file), HOST))[0]
    pages = content.show(current, None)[:-1]
    for page in (pages[0], pages[2], pages[3], pages[4]):
        assert_text_only(page)


def test_agreement_of_maps(small, patch, monkeypatch):
    own = cam.Method(cam.METHODS["layer_cam"].function, HOSTILE, "")
    monkeypatch.setitem(cam.METHODS, "own", own)
    page = agreement.matrix(small.explain(patch, methods=("grad_cam", "own", "random")))
    assert_text_only(page)
    assert Elements(page).tags.count("td") == 1 + 9


def test_agreement_of_a_constant_map_is_none(small, patch):
    e = small.explain(patch, lambda logits: 0 * logits.sum(1), methods=("grad_cam", "random"))
    assert "<td>none</td>" in agreement.matrix(e)


def test_report(with_files):
    report = copy.deepcopy(REPORT) | {"title": HOSTILE, "provenance": {"data": HOSTILE, "magnification": HOSTILE}}
    report["scores"]["by_patient"][0] |= {"patient": HOSTILE, "label": HOSTILE}
    report["beside"] = {HOSTILE: report["beside"]["colour"]}
    page = results.page_of(with_files(report=report))
    assert_text_only(page)
    assert Elements(page).text.count(HOSTILE) == 3 + 1 + 1 + 2


def test_benchmark_of_explanations(with_files):
    study = copy.deepcopy(STUDY)
    study["answers"]["areas"] = HOSTILE
    truth = study["truths"]["phantom"]
    truth["model"]["words"] = HOSTILE
    truth["localisation"][HOSTILE] = truth["localisation"]["ceiling"]
    page = results_benchmark.page(with_files(explanations=study))
    assert_text_only(page)
    assert Elements(page).text.count(HOSTILE) == 3


def test_glossary(monkeypatch):
    monkeypatch.setitem(cam.METHODS, "own", cam.Method(gradient.grad_cam, HOSTILE, "", "a meaning"))
    with gr.Blocks() as demo:
        glossary.build("compare")
    assert_text_only(next(block.value for block in demo.blocks.values() if isinstance(block, gr.HTML)))


def test_head_of_the_page(hostile):
    assert_text_only(app._head(hostile))
    assert_text_only(app._head(hostile, f"note {HOSTILE}"))


def test_tables_take_text_and_markup():
    page = tables.table(["", HOSTILE], [[HOSTILE, markup.Markup("<small>1</small>")]])
    assert_text_only(page)
    assert "<td><small>1</small></td>" in page


def test_charts_are_well_formed_and_hold_text():
    x, values = torch.linspace(0, 1, 5), torch.tensor([0.5, -0.2, 0.1])
    for drawn in (
        svg.bars((HOSTILE, "", ""), [HOSTILE, "b"], [1.0, -0.5], ["", HOSTILE], HOSTILE),
        svg.curve(values, [0], HOSTILE, HOSTILE),
        svg.scatter(x, x, [1], (HOSTILE, HOSTILE), HOSTILE),
        svg.lines(x.tolist(), [svg.Series(HOSTILE, x.tolist())], (HOSTILE, HOSTILE), HOSTILE),
    ):
        root = ElementTree.fromstring(drawn)
        assert root.get("aria-label") == HOSTILE
        assert sum(HOSTILE in (element.text or "") for element in root.iter()) >= 1
        assert not any(element.tag.endswith(("img", "script")) for element in root.iter())


def test_a_chart_and_a_page_are_not_escaped_twice(small, patch):
    e = small.explain(patch, "malignant")
    step = walkthrough.describe(e, Steps.of(e))[3]
    from dala.ui.tabs.walkthrough import _page

    page = _page(step)
    assert page.count("<svg") == 2
    assert "&lt;" not in page
    assert html.unescape(page) == str(page)


def test_a_missing_variable_is_an_error():
    with pytest.raises(UndefinedError, match="head"):
        markup.render(Path(tables.__file__).with_name("tables.html"), body=[])
