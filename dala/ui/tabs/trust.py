"""The tab "Can I trust it?": three checks of one map on the visitor's own patch, and a verdict in plain words."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from dala import cam
from dala.errors import DalaError
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.lessons import trust_page
from dala.progress import Tracked
from dala.trust import verdict
from dala.ui.download import SAVE, data_url
from dala.ui.session import PLUMBING, ExpiredError, Page, Seen, held, sentence
from dala.ui.tabs import glossary

__all__ = ["Trust", "build"]

# Half a minute of the network: on the lane of the lab's curves, so that nobody's picture waits for it.
CHECK: dict[str, Any] = {
    "concurrency_id": "curve", "concurrency_limit": 1, "api_visibility": "private", "trigger_mode": "once",
    "show_progress": "hidden",
}  # fmt: skip
CSS = (Path(__file__).parent / "trust.css").read_text(encoding="utf-8")
NOTHING = "<p class='told'>Nothing has been asked of this map yet.</p>"
READING = """
- **Insertion and deletion** show or hide the picture in the map's order and watch the class's logit. Beside them run a
  random map and one that is brightest in the middle: a map that is worth its name finds what the network needs sooner.
- **Random weights**: a map that stays the same while the network forgets what it learned shows the picture, not the
  network (Adebayo et al. 2018).
- **Changes that mean nothing**: tissue has no up and no left, and stains differ between laboratories. Every map here is
  turned back before it is compared.
- All three ask whether the map tells of *this network*. Whether the network looks at the right thing, no check of a map
  can say, and one picture proves nothing about a method.
"""


@dataclass(frozen=True, eq=False)
class Asked:
    """What a session asked last: of which `Seen` and method, the page that told it, and the files of its download.

    Not the maps themselves: at the size of the picture they would fill the server's memory for an hour.
    """

    serial: str
    method: str
    page: str
    files: dict[str, bytes]


class Trust:
    """The tab's handlers."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def show(self, seen: Seen | None, method: str, asked: Asked | None) -> str:
        """What was found, if it was found for this picture, class and method."""
        if seen and asked and asked.serial == seen.serial and asked.method == method:
            return asked.page
        return NOTHING

    def ask(self, seen: Seen | None, method: str) -> Iterator[tuple[Any, Any]]:
        """Run the checks: progress, then the page and what it was made of. Ends where the visitor stops it."""
        yield _progress(0, "starting"), gr.skip()
        try:
            seen = held(seen)
            explainer = self.page.explainer(seen)
            e = explained(explainer, seen, method)
            going = Tracked(verdict.steps(explainer, e, method))
            for done, total, what in going:
                yield _progress(done / total, what), gr.skip()
        except DalaError as error:
            yield NOTHING, None
            raise sentence(error) from None
        found = going.result
        told = trust_page.page(found, e)
        yield told, Asked(seen.serial, method, told, files(found, e, told))

    def download(self, asked: Asked | None) -> str:
        """Every number, both strips and the page, as one zip in a data URL."""
        try:
            if asked is None:
                raise ExpiredError
        except DalaError as error:
            raise sentence(error) from None
        return data_url(asked.files)


def explained(explainer: Explainer, seen: Seen, method: str) -> Explanation:
    """The map that is asked about."""
    e = seen.explanation
    return e if list(e.maps) == [method] else explainer.retarget(e, e.target, methods=(method,))


def files(found: verdict.Checked, explanation: Explanation, told: str) -> dict[str, bytes]:
    """What is downloaded, by name: every number, the page, both strips."""
    stream = io.BytesIO()
    trust_page.sheet(found, explanation).save(stream, "PNG")
    html = f"<!doctype html><meta charset='utf-8'><title>Can I trust it?</title><style>{CSS}</style>{told}"
    return {
        "checks.json": json.dumps(verdict.to_json(found), indent=1, ensure_ascii=False).encode(),
        "checks.html": html.encode(),
        "maps.png": stream.getvalue(),
    }


def build(page: Page) -> None:
    """The tab, in the current context of tabs."""
    content = Trust(page)
    quick = [(m.title, name) for name, m in cam.METHODS.items() if not m.reruns]
    with gr.Tab("Can I trust it?", id="trust") as tab:
        gr.HTML(
            f"<style>{CSS}</style><p class='told'>Three questions to one map of this patch; about half a minute.</p>"
        )
        with gr.Row(elem_classes="choices trust-choices"):
            method = gr.Dropdown(quick, value="grad_cam", label="map", min_width=150, scale=0)
            ask = gr.Button("Ask", variant="primary", min_width=110, scale=0, elem_id="trust-ask")
            stop = gr.Button("Stop", min_width=90, scale=0, elem_id="trust-stop")
            save = gr.Button("Download", min_width=110, scale=0, elem_id="trust-save")
        told = gr.HTML(NOTHING, elem_id="trust", elem_classes="trust")
        with gr.Accordion("What these checks can and cannot show", open=False):
            gr.Markdown(READING)
        glossary.build("trust")
        asked, archive = gr.State(time_to_live=3600), gr.Textbox(visible="hidden")
    page.follow(tab, content.show, [method, asked], [told])
    asking = ask.click(content.ask, [page.seen, method], [told, asked], **CHECK)
    stop.click(lambda: "<p class='told'>Stopped.</p>", None, told, cancels=[asking], **PLUMBING)
    # What is being asked is of the picture before, and must not stand at some percentage for ever.
    page.serial.change(lambda: NOTHING, None, told, cancels=[asking], **PLUMBING)
    method.input(content.show, [page.seen, method, asked], told, cancels=[asking], **PLUMBING)
    save.click(content.download, asked, archive, **PLUMBING).then(None, archive, None, js=SAVE)


def _progress(share: float, what: str) -> str:
    percent = round(100 * share)
    return (
        f"<div class='asking' role='progressbar' aria-valuenow='{percent}' aria-valuemin='0' aria-valuemax='100' "
        f"aria-label='{what}'><i style='width:{percent}%'></i></div><p class='told'>{percent} %: {what}</p>"
    )
