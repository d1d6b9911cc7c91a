"""The tab "Can I trust it?": three checks of one map of the visitor's patch, and a verdict in plain words."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from dala import cam
from dala.errors import DalaError
from dala.explain.explanation import Explanation
from dala.images import encoding
from dala.lessons import handout, trust_page
from dala.progress import Tracked
from dala.trust import verdict
from dala.ui import choices, link
from dala.ui.alert import alert
from dala.ui.current import Current, ExpiredError, require
from dala.ui.download import SAVE, data_url
from dala.ui.server.events import scheduled
from dala.ui.server.scheduler import Urgency
from dala.ui.session import LONG, PLUMBING, Page
from dala.ui.tabs import glossary

__all__ = ["Trust", "build"]

CSS = (Path(__file__).parent / "trust.css").read_text(encoding="utf-8")
NOTHING = "<p class='lead'>This map has not been checked yet.</p>"
READING = """
- **Insertion and deletion** show or hide the picture in the order of the map and record the output for the class.
  Twenty random maps, as smooth as this one, do the same at the area that its default threshold keeps. Better than 19 of
  them, and an output that falls when the area is hidden, speak for the map; anything less tells little.
- **Random weights**: a map that stays the same after the learned weights are replaced by random ones shows the picture,
  not the network (Adebayo et al. 2018).
- **Harmless perturbations**: tissue has no orientation, and stains differ between laboratories. Every map is mapped
  back before it is compared.
- All three check whether the map describes *this network*. No check of a map can show whether the network looks at the
  right thing, and one picture proves nothing about a method.
"""


@dataclass(frozen=True, eq=False)
class LastCheck:
    """The last check of a session: its picture and method, the page, and the files of the download.

    It holds no maps: at the size of the picture they would fill the memory of the server for an hour.
    """

    serial: str
    method: str
    page: str
    files: dict[str, bytes]
    name: str = "checks.zip"


class Trust:
    """Handlers of the tab."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def show(self, current: Current | None, method: str, last: LastCheck | None) -> str:
        """The result of the last check if it was of this picture, class and method."""
        if current and last and last.serial == current.serial and last.method == method:
            return last.page
        return NOTHING

    def check(self, current: Current | None, method: str) -> Iterator[tuple[Any, Any]]:
        """Run the checks: yields (progress or page, state). Gradio closes the generator if the visitor stops it."""
        yield _progress(0, "starting"), gr.skip()
        try:
            current = require(current)
            e = choices.by_method(self.page, current, method)
            run = Tracked(verdict.steps(self.page.explainer(current), e, method))
            for done, total, what in run:
                yield _progress(done / total, what), gr.skip()
        except DalaError as error:
            yield NOTHING, None
            raise alert(error) from None
        page = trust_page.page(run.result, e)
        name = handout.title_of(current.source.file.name, "checks")
        yield page, LastCheck(current.serial, method, page, files(run.result, e, page), name)

    def download(self, last: LastCheck | None) -> str:
        """Every number, all maps and the page as a zip in a data URL."""
        try:
            if last is None:
                raise ExpiredError
        except DalaError as error:
            raise alert(error) from None
        return data_url(last.files, last.name)


def files(result: verdict.Checked, explanation: Explanation, page: Markup) -> dict[str, bytes]:
    """Contents of the download by file name: a README, the patch, every number, the page, all maps as one picture."""
    document = f"<!doctype html><meta charset='utf-8'><title>Can I trust it?</title><style>{CSS}</style>{page}"
    said = verdict.verdict(result)
    return {
        "README.txt": handout.readme([said.sentence, *(r.words for r in said.reasons)], handout.CHECKS),
        "picture.png": encoding.encode(explanation.picture),
        "checks.json": json.dumps(verdict.to_json(result), indent=1, ensure_ascii=False).encode(),
        "checks.html": document.encode(),
        "maps.png": encoding.encode(trust_page.sheet(result, explanation)),
    }


def build(page: Page, demo: gr.Blocks) -> None:
    """Add the tab to the current context of tabs inside `demo`."""
    content = Trust(page)
    with gr.Tab("Can I trust it?", id="trust") as tab:
        intro = "<p class='lead'>Three checks of one map of this patch. They take about a minute on two cores.</p>"
        gr.HTML(f"<style>{CSS}</style>{intro}")
        with gr.Row(elem_classes="choices trust-choices"):
            quick = choices.quick_methods()
            method = gr.Dropdown(quick, value=cam.DEFAULT_METHOD, label="map", min_width=150, scale=0)
            check = gr.Button("Check", variant="primary", min_width=110, scale=0, elem_id="trust-ask")
            stop = gr.Button("Stop", min_width=90, scale=0, elem_id="trust-stop")
            save = gr.Button("Download", min_width=110, scale=0, elem_id="trust-save")
        result = gr.HTML(NOTHING, elem_id="trust", elem_classes="trust")
        with gr.Accordion("What these checks can and cannot show", open=False):
            gr.Markdown(READING)
        glossary.build("trust")
        last, archive = gr.State(time_to_live=3600), gr.Textbox(visible="hidden")
    page.follow(tab, content.show, [method, last], [result])
    checking = check.click(
        scheduled(content.check, Urgency.LONG, "trust"), [page.current, method], [result, last],
        **LONG | {"trigger_mode": "once", "show_progress": "hidden"},
    )  # fmt: skip
    stop.click(lambda: "<p class='lead'>Stopped.</p>", None, result, cancels=[checking], **PLUMBING)
    method.select(content.show, [page.current, method, last], result, cancels=[checking], **PLUMBING)
    method.select(None, method, None, js=link.remember("check"), **PLUMBING)
    demo.load(None, None, method, js=link.recall("check", [name for _, name in quick]), **PLUMBING)
    save.click(content.download, last, archive, **PLUMBING).then(None, archive, None, js=SAVE)


def _progress(share: float, what: str) -> Markup:
    percent = round(100 * share)
    bar = Markup(
        "<div class='trust-progress' role='progressbar' aria-valuenow='{0}' aria-valuemin='0' aria-valuemax='100' "
        "aria-label='{1}'><i style='width:{0}%'></i></div><p class='lead'>{0} %: {1}</p>"
    )
    return bar.format(percent, what)
