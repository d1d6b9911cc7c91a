"""The tab "Threshold lab": one map, its threshold, and the network's output for the kept region."""

import hashlib
import json
from collections.abc import Generator, Iterator
from dataclasses import asdict
from typing import Any

import gradio as gr

from dala import cam
from dala.errors import DalaError
from dala.explain.explainer import Explainer
from dala.lessons import threshold_lab, threshold_lab_files
from dala.lru import LRU
from dala.progress import Tracked
from dala.trust import deletion
from dala.trust.infill import DEFAULT_INFILL, INFILLS
from dala.ui import choices, link
from dala.ui import download as ui_download
from dala.ui.alert import alert
from dala.ui.beside import beside
from dala.ui.current import Current, require
from dala.ui.mapview.view import MapView, payload
from dala.ui.server.events import scheduled
from dala.ui.server.scheduler import Urgency
from dala.ui.session import LONG, MODEL, PLUMBING, Page
from dala.ui.tabs import glossary

__all__ = ["Lab", "build"]

# Cached results for all sessions: if a class of students opens the same sample, it is measured once.
MOST_RESULTS = 64
NOTIFY = """text => {
  document.querySelector('#lab .charts')?.dispatchEvent(new CustomEvent('curve', {detail: text}));
}"""

READING = """
- **Every rule and every strength is one point on the same curves.** A threshold determines how much of a map is shown.
  It does not change which position ranks above which, so it makes no map more correct.
- **Keep-only** stays high if a small region is enough for this network; **remove-only** falls early if the network
  needs that region. Neither shows that the region is a tumour.
- The network was not trained on pictures with hidden parts. Some of every change is due to edges and flat areas:
  choose another replacement for hidden pixels, and see how much of the curve stays the same.
- The random and the centred map use neither picture nor network. A map is informative where its curve differs from
  theirs at the same area.
- Dots are measured, and the lines between them interpolated. Where a map is zero, no threshold separates its pixels;
  the curve orders them by the evidence against the class, the weakest first.
- One picture proves nothing about a method.
"""


class Lab:
    """Handlers of the tab."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._results: LRU[tuple[str, ...], deletion.KeepRemove] = LRU(MOST_RESULTS)

    def show(self, current: Current | None, method: str) -> dict[str, Any] | None:
        """The value of the map view, with the data of its charts."""
        if current is None:
            return None
        e = choices.by_method(self.page, current, method)
        plain = {scale: deletion.output(e, scale) for scale in deletion.SCALES}
        charts = {"key": _key(current, method), "plain": plain, **asdict(threshold_lab.shape(e, method))}
        return {**payload(e), **beside(current, self.page.explainer(current)), "charts": charts}

    def choose(self, current: Current | None, method: str) -> dict[str, Any] | None:
        """Update after a change of method."""
        try:
            return self.show(current, method)
        except DalaError as error:
            raise alert(error) from None

    def from_link(self, request: gr.Request) -> Any:
        """The map in the query of a link; an unknown one is ignored."""
        name = request.query_params.get("map", "")
        return name if name in dict(choices.quick_methods()).values() else gr.skip()

    def measure(self, current: Current | None, method: str, event: gr.EventData) -> Iterator[tuple[str, Any]]:
        """Measure the curves of the map on screen.

        Yields (message to the charts as JSON, result for the download). Gradio closes the generator if the visitor
        stops it, makes another choice or leaves.
        """
        message = {"run": event.run}
        try:
            run = Tracked(self._measuring(require(current), method, event.baseline, bool(event.controls)))
            for done, total in run:
                yield json.dumps({**message, "done": done, "total": total}), gr.skip()
        except DalaError as error:
            yield json.dumps({**message, "failed": True}), gr.skip()
            raise alert(error) from None
        yield json.dumps({**message, **_charts(run.result)}), (_key(require(current), method), run.result)

    def download(self, current: Current | None, method: str, measured: Any, event: gr.EventData) -> str:
        """Overlays, the charts as one picture, and every number as a zip in a data URL."""
        display = ui_download.display(event)
        try:
            key, curves = measured or (None, None)
            e, explainer = choices.by_method(self.page, require(current), method), self.page.explainer(require(current))
            curves = curves if key == _key(require(current), method) else None
            content = threshold_lab_files.files(e, explainer, event.rule, event.strengths, display, curves, event.scale)
            chosen = (event.rule, event.strengths.get(event.rule), False)
            return ui_download.whole(content, e, explainer, chosen, require(current).source.file.name)
        except DalaError as error:
            raise alert(error) from None

    def _measuring(
        self, current: Current, method: str, baseline: str, controls: bool
    ) -> Generator[tuple[int, int], None, deletion.KeepRemove]:
        e, explainer = choices.by_method(self.page, current, method), self.page.explainer(current)
        picture = hashlib.sha256(e.picture.tobytes()).hexdigest()
        key = (current.model, picture, e.words(), e.layer, method, baseline, str(controls))
        if (result := self._results.get(key)) is None:
            result = yield from deletion.steps(
                explainer, e, method, baseline=baseline, controls=controls, chunk=_chunk(explainer)
            )
            self._results.put(key, result)
        return result


def build(page: Page, demo: gr.Blocks) -> None:
    """Add the tab to the current context of tabs inside `demo`."""
    content = Lab(page)
    with gr.Tab("Threshold lab", id="lab") as tab:
        with gr.Row(elem_classes="choices"):
            method = gr.Dropdown(
                choices.quick_methods(), value=cam.DEFAULT_METHOD, label="map", min_width=220, scale=0,
                elem_classes="map-choice",
            )  # fmt: skip
        view = MapView(
            charts={
                "baselines": {name: infill.label for name, infill in INFILLS.items()},
                "baseline": DEFAULT_INFILL,
                "scales": deletion.SCALES,
            },
            elem_id="lab",
        )
        with gr.Accordion("What these curves can and cannot show", open=False):
            gr.Markdown(READING)
        glossary.build("lab")
        curve, archive = gr.Textbox(visible="hidden"), gr.Textbox(visible="hidden")
        measured = gr.State(time_to_live=3600)
    page.follow(tab, content.show, [method], [view], show_progress="full")
    method.select(scheduled(content.choose, Urgency.CHANGE, "lab"), [page.current, method], view, **MODEL)
    method.select(None, method, None, js=link.remember("map"), **PLUMBING)
    demo.load(content.from_link, None, method, **PLUMBING)
    measuring = view.measure(
        scheduled(content.measure, Urgency.LONG, "curve"), [page.current, method], [curve, measured],
        **LONG | {"show_progress": "hidden"},
    )  # fmt: skip
    view.stop(None, None, None, cancels=[measuring])
    curve.change(None, curve, None, js=NOTIFY)
    view.download(content.download, [page.current, method, measured], archive, **PLUMBING).then(
        None, archive, None, js=ui_download.SAVE
    )


def _key(current: Current, method: str) -> str:
    return f"{current.serial} {method}"


def _chunk(explainer: Explainer) -> int:
    """Pictures in one run of the network: few on a CPU, where more are not faster, so that progress is visible."""
    return 2 if explainer.device.type == "cpu" else deletion.CHUNK


def _charts(result: deletion.KeepRemove) -> dict[str, Any]:
    titles = {name: cam.METHODS[name].title for name in result.curves} | {result.method: "this map"}
    return {
        "baseline": result.baseline,
        "runs": result.runs,
        "areas": result.areas,
        "curves": [
            {"title": titles[name], **{scale: curve.pair(scale) for scale in deletion.SCALES}}
            for name, curve in result.curves.items()
        ],
    }
