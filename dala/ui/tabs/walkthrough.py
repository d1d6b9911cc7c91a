"""The tab that takes Grad-CAM apart: the visitor's own patch, in six steps."""

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr

from dala.errors import DalaError
from dala.explain.decomposition import MOST, Steps, parse
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.explain.gate import FILE, MOST_BYTES, AverageGate, measure, read
from dala.lessons import contact_sheet, walkthrough, walkthrough_files
from dala.lessons.contact_sheet import Tile
from dala.publishing.samples import Sample
from dala.ui.download import SAVE, data_url
from dala.ui.mapview.view import MapView, payload, stages
from dala.ui.session import MODEL, PLUMBING, Page, Seen, held, sentence
from dala.ui.tabs import glossary

__all__ = ["StepByStep", "build"]

FORMULAS = (
    r"x_c = \frac{I_c - m_c}{s_c} \qquad y = f(x)",
    r"A_k \in \mathbb{R}^{h \times w} \qquad k = 0, \dots, K-1",
    r"g_k(i,j) = \frac{\partial y}{\partial A_k(i,j)}",
    r"\alpha_k = \frac{1}{hw} \sum_{i,j} \frac{\partial y}{\partial A_k(i,j)}",
    r"L = \mathrm{ReLU}\Big(\sum_k \alpha_k A_k\Big)",
    r"\hat{L} = \mathrm{bilinear}(L) \qquad \text{shown where } \hat{L} \ge \tau",
)
GATE = r"A_k = \sigma_k F_k \qquad \sigma = \mathrm{sigmoid}\big(W_2\,\mathrm{ReLU}(W_1 \bar{F})\big)"
CSS = (Path(__file__).parent / "steps.css").read_text(encoding="utf-8")
NOTHING = "<p>Choose a patch.</p>"

# The buttons work in the browser: the walkthrough itself has none, and lets nobody jump ahead. At either end they do
# nothing, but stay where the keyboard's focus is.
MOVE = """() => {
  const now = Number(document.querySelector('#walk .step-button[aria-selected=true]').dataset.tabId);
  return {selected: Math.min(LAST, Math.max(1, now + BY)), __type__: 'update'};
}""".replace("LAST", str(len(walkthrough.TITLES)))
ENDS = """async () => {
  const find = () => document.querySelector('#walk .step-button[aria-selected=true]');
  const frame = () => new Promise(requestAnimationFrame);
  for (let i = 0; i < 60 && !find(); i++) await frame();
  await frame();
  const now = Number(find()?.dataset.tabId);
  for (const [id, end] of [['walk-back', now === 1], ['walk-forth', now === LAST]])
    document.getElementById(id)?.setAttribute('aria-disabled', end);
}""".replace("LAST", str(len(walkthrough.TITLES)))


class StepByStep:
    """The tab's handlers."""

    def __init__(self, page: Page, samples: Sequence[Sample]) -> None:
        self.page, self.samples = page, samples
        self._averages: WeakKeyDictionary[Explainer, tuple[AverageGate, str]] = WeakKeyDictionary()

    def show(self, seen: Seen | None, channels: str | None) -> list[Any]:
        """The six steps: markup for five of them, and what the map view draws for the last."""
        if seen is None:
            return [*[NOTHING] * (len(walkthrough.TITLES) - 1), "", None]
        e, steps, chosen = self._parts(seen, channels)
        markups = [_markup(step) for step in walkthrough.tell(e, steps, chosen)]
        # The picture as the map view has encoded it: no second time.
        markups[0] = markups[0].replace("PICTURE", payload(seen.explanation)["picture"])
        return [*markups, stages(seen.explanation)]

    def choose(self, seen: Seen | None, channels: str | None) -> list[Any]:
        """Other channels were named."""
        try:
            return [*self.show(seen, channels), self.gate(seen, channels)]
        except DalaError as error:
            raise sentence(error) from None

    def gate(self, seen: Seen | None, channels: str | None) -> str:
        """The attention's gate for this patch, against the average one."""
        if seen is None:
            return NOTHING
        e, steps, chosen = self._parts(seen, channels)
        average, why = self._average(self.page.explainer(seen), e)
        shown = chosen or steps.ranking[:MOST].tolist()
        return _markup(walkthrough.gate(e, average, shown)) + (f"<p class='note'>{escape(why)}</p>" if why else "")

    def download(self, seen: Seen | None, channels: str | None, event: gr.EventData) -> str:
        """The six pictures and the numbers behind them as one zip, in a data URL."""
        display = {"colours": event.palette, "opacity": event.opacity, "contour": event.contour}
        try:
            explainer = self.page.explainer(held(seen))
            e, _, chosen = self._parts(held(seen), channels)
            average, _ = self._average(explainer, e)
            written = walkthrough_files.files(e, explainer, chosen, average, event.rule, event.strength, display)
        except DalaError as error:
            raise sentence(error) from None
        return data_url(written)

    def _parts(self, seen: Seen, channels: str | None) -> tuple[Explanation, Steps, list[int]]:
        # The page does without the gradient: the head gives it again in a millisecond.
        e = self.page.explainer(seen).retarget(seen.explanation, seen.explanation.target, methods=("grad_cam",))
        steps = Steps.of(e)
        return e, steps, parse(channels, len(steps.weights))

    def _average(self, explainer: Explainer, e: Explanation) -> tuple[AverageGate | None, str]:
        """The average gate, and why it is not the one measured with the weights; found once a network."""
        if e.gate is None:
            return None, ""
        if explainer not in self._averages:
            self._averages[explainer] = self._find_average(explainer, len(e.gate))
        return self._averages[explainer]

    def _find_average(self, explainer: Explainer, channels: int) -> tuple[AverageGate, str]:
        why, origin = f"No {FILE} lies with these weights.", explainer.origin
        try:
            if origin and (file := origin.beside(FILE, most=MOST_BYTES)):
                return read(file, origin.sha256, channels), ""
        except DalaError as error:
            why = str(error)
        average = measure(explainer, [s.file for s in self.samples], "the app's samples")
        return average, f"{why} This is the average of the app's own samples."


def build(page: Page, samples: Sequence[Sample]) -> None:
    """The tab, in the current context of tabs."""
    content = StepByStep(page, samples)
    with gr.Tab("Step by step", id="steps") as tab:
        made = []
        with gr.Column(elem_classes="walk"):
            with gr.Row(elem_classes="walk-nav"):
                back = gr.Button("previous", size="sm", elem_id="walk-back")
                forth = gr.Button("next", size="sm", elem_id="walk-forth")
            walk = gr.Walkthrough(selected=1, elem_id="walk")
        with walk:
            for i, (title, formula) in enumerate(zip(walkthrough.TITLES, FORMULAS, strict=True), 1):
                with gr.Step(title, id=i):
                    gr.Markdown(f"$${formula}$$", elem_classes="formula")
                    made.append(gr.HTML(css_template=CSS, elem_id=f"step-{i}"))
                    if i == 2:
                        channels, opened = _channels()
                    if i == len(walkthrough.TITLES):
                        view = MapView(elem_id="step-maps")
        glossary.build("steps")
        archive = gr.Textbox(visible="hidden")
    outputs = [*made, view]
    page.follow(tab, content.show, [channels], outputs)
    page.follow(tab, content.gate, [channels], [opened])
    channels.submit(content.choose, [page.seen, channels], [*outputs, opened], **{**MODEL, "show_progress": "hidden"})
    back.click(None, None, walk, js=MOVE.replace("BY", "-1"), **PLUMBING)
    forth.click(None, None, walk, js=MOVE.replace("BY", "1"), **PLUMBING)
    for moved in (walk.change, tab.select):
        moved(None, None, None, js=ENDS, **PLUMBING)
    view.download(content.download, [page.seen, channels], archive, **PLUMBING).then(
        None, archive, None, js=SAVE.replace("explanation.zip", "step_by_step.zip")
    )


def _channels() -> tuple[gr.Textbox, gr.HTML]:
    """The box that takes numbers of channels, and the gate below it."""
    with gr.Row(elem_classes="choices"):
        channels = gr.Textbox(
            label="Other channels, by number", placeholder="such as 7, 512, 1961; empty: those that count most",
            max_lines=1, elem_classes="channels",
        )  # fmt: skip
    gr.Markdown(f"### The attention's gate\n\n$${GATE}$$", elem_classes="formula")
    return channels, gr.HTML(css_template=CSS, elem_id="step-gate")


def _markup(step: walkthrough.Step) -> str:
    """A step as HTML; words from a config are escaped: they come from whoever made the weights."""
    size = "one" if len(step.tiles) == 1 else "few" if len(step.tiles) <= 4 else "many"
    figures = "".join(map(_figure, step.tiles))
    parts = [f"<p class='says'>{escape(step.sentence)}</p>"]
    if step.signed is not None:
        parts.append(_scale(step))
    if figures:
        parts.append(f"<div class='tiles {size}'>{figures}</div>")
    note = f"<p class='note'>{escape(step.note)}</p>" if step.note else ""
    parts.append(f"<div class='charts'>{''.join(step.charts)}{note}</div>" if step.charts else note)
    return "".join(parts)


def _figure(tile: Tile) -> str:
    width, height = tile.picture.size
    words = f"<b>{escape(tile.title)}</b><span>{escape(tile.caption)}</span>" if tile.title else ""
    source = f"data:image/png;base64,{_png(tile)}" if tile.title else "PICTURE"
    return (
        f"<figure><img src='{source}' width='{width}' height='{height}' alt='{escape(tile.alt)}'>"
        f"<figcaption>{words}</figcaption></figure>"
    )


def _png(tile: Tile) -> str:
    stream = io.BytesIO()
    tile.picture.save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def _scale(step: walkthrough.Step) -> str:
    stops = ", ".join(f"rgb({r} {g} {b})" for r, g, b in contact_sheet.colours(bool(step.signed))[::16].tolist())
    low, high = map(escape, step.scale)
    return (
        f"<div class='scale'><span>{low}</span><i style='background: linear-gradient(to right, {stops})'></i>"
        f"<span>{high}</span></div>"
    )
