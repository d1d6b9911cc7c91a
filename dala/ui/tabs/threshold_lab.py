"""The tab "Threshold lab": one map, its threshold, and what the network says of the part that is kept."""

import hashlib
import json
from collections.abc import Generator, Iterator
from dataclasses import asdict
from typing import Any

import gradio as gr

from dala import cam
from dala.errors import DalaError
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.lessons import threshold_lab, threshold_lab_files
from dala.lru import LRU
from dala.progress import Tracked
from dala.trust import deletion, infill
from dala.ui import link
from dala.ui.download import SAVE, data_url, display
from dala.ui.mapview.view import MapView, payload
from dala.ui.session import MODEL, PLUMBING, Page, Seen, held, sentence
from dala.ui.tabs import glossary

__all__ = ["Lab", "build"]

# Dozens of runs of the network: on a lane of its own, so that nobody's picture waits for somebody's curve.
CURVE: dict[str, Any] = {
    "concurrency_id": "curve", "concurrency_limit": 1, "api_visibility": "private", "trigger_mode": "multiple",
    "show_progress": "hidden",
}  # fmt: skip
# Curves remembered for all sessions: a class that looks at one sample measures it once.
REMEMBERED = 64
TELL = """text => {
  document.querySelector('#lab .charts')?.dispatchEvent(new CustomEvent('curve', {detail: text}));
}"""

READING = """
- **Every rule and every strength is one point on the same curves.** A threshold chooses how much of a map is shown; it
  does not change which place ranks above which, and so makes no map truer.
- **Keep-only** stays high where a small region is enough for this network; **remove-only** falls early where it needs
  that region. Neither says that the region is a tumour.
- Pictures with hidden parts are unlike any that the network was trained on. Some of every change is its surprise at
  edges and flat patches: let hidden pixels become something else, and see how much of the curve stays.
- A random map and a centred one know nothing. What a map says is where its curve parts from theirs, at the same area.
- Dots are measured, the lines between them are straight. Where a map is zero, no threshold tells its pixels apart; the
  curve orders them by how little speaks against the class.
- One picture proves nothing about a method.
"""


class Lab:
    """The tab's handlers."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._remembered: LRU[tuple[str, ...], deletion.KeepRemove] = LRU(REMEMBERED)

    def show(self, seen: Seen | None, method: str) -> dict[str, Any] | None:
        """What the map view and its charts draw."""
        if seen is None:
            return None
        e = self._explained(seen, method)
        plain = {scale: deletion.said(e, scale) for scale in deletion.SCALES}
        charts = {"key": _key(seen, method), "plain": plain, **asdict(threshold_lab.shape(e, method))}
        return {**payload(e), "charts": charts}

    def choose(self, seen: Seen | None, method: str) -> dict[str, Any] | None:
        """Another method was chosen."""
        try:
            return self.show(seen, method)
        except DalaError as error:
            raise sentence(error) from None

    def asked(self, request: gr.Request) -> Any:
        """The map that a link asks for; one that does not exist is passed over."""
        name = request.query_params.get("map", "")
        return name if name in quick() else gr.skip()

    def measure(self, seen: Seen | None, method: str, event: gr.EventData) -> Iterator[tuple[str, Any]]:
        """Measure the curves of the map on screen: what the charts are told, and the result for the download.

        A generator: it ends where the visitor stops it, chooses something else, or goes.
        """
        told = {"run": event.run}
        try:
            going = Tracked(self._measuring(held(seen), method, event.baseline, bool(event.controls)))
            for done, total in going:
                yield json.dumps({**told, "done": done, "total": total}), gr.skip()
        except DalaError as error:
            yield json.dumps({**told, "failed": True}), gr.skip()
            raise sentence(error) from None
        yield json.dumps({**told, **_drawn(going.result)}), (_key(held(seen), method), going.result)

    def download(self, seen: Seen | None, method: str, measured: Any, event: gr.EventData) -> str:
        """What is on screen as one zip, in a data URL: overlays, the charts as one picture, every number."""
        look = display(event)
        try:
            key, curves = measured or (None, None)
            e, explainer = self._explained(held(seen), method), self.page.explainer(held(seen))
            curves = curves if key == _key(held(seen), method) else None
            written = threshold_lab_files.files(e, explainer, event.rule, event.strengths, look, curves, event.scale)
            return data_url(written)
        except DalaError as error:
            raise sentence(error) from None

    def _explained(self, seen: Seen, method: str) -> Explanation:
        e = seen.explanation
        if list(e.maps) == [method]:
            return e
        return self.page.explainer(seen).retarget(e, e.target, methods=(method,))

    def _measuring(
        self, seen: Seen, method: str, baseline: str, controls: bool
    ) -> Generator[tuple[int, int], None, deletion.KeepRemove]:
        e, explainer = self._explained(seen, method), self.page.explainer(seen)
        picture = hashlib.sha256(e.picture.tobytes()).hexdigest()
        asked = (seen.model, picture, e.words(), e.layer, method, baseline, str(controls))
        if (result := self._remembered.get(asked)) is None:
            result = yield from deletion.steps(
                explainer, e, method, baseline=baseline, controls=controls, chunk=_chunk(explainer)
            )
            self._remembered.put(asked, result)
        return result


def quick() -> dict[str, str]:
    """Titles by name of the methods that take no minutes."""
    return {name: method.title for name, method in cam.METHODS.items() if not method.reruns}


def build(page: Page, demo: gr.Blocks) -> None:
    """The tab, in the current context of tabs inside `demo`."""
    content = Lab(page)
    with gr.Tab("Threshold lab", id="lab") as tab:
        with gr.Row(elem_classes="choices"):
            method = gr.Dropdown(
                [(title, name) for name, title in quick().items()], value="grad_cam", label="map", min_width=220,
                scale=0, elem_classes="map-choice",
            )  # fmt: skip
        view = MapView(
            charts={
                "baselines": {name: b.label for name, b in infill.BASELINES.items()},
                "baseline": infill.DEFAULT_BASELINE,
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
    method.input(content.choose, [page.seen, method], view, **MODEL)
    method.input(None, method, None, js=link.remember("map"), **PLUMBING)
    demo.load(content.asked, None, method, **PLUMBING)
    measuring = view.measure(content.measure, [page.seen, method], [curve, measured], **CURVE)
    view.stop(None, None, None, cancels=[measuring])
    page.serial.change(None, None, None, cancels=[measuring])
    curve.change(None, curve, None, js=TELL)
    view.download(content.download, [page.seen, method, measured], archive, **PLUMBING).then(
        None, archive, None, js=SAVE
    )


def _key(seen: Seen, method: str) -> str:
    return f"{seen.serial} {method}"


def _chunk(explainer: Explainer) -> int:
    """Few pictures a run on a CPU, where more are no faster: the visitor sees progress, and can stop."""
    return 2 if explainer.device.type == "cpu" else deletion.CHUNK


def _drawn(result: deletion.KeepRemove) -> dict[str, Any]:
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
