"""The tab "Step by step": Grad-CAM of the visitor's patch in six steps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr
from markupsafe import Markup

from dala import cam, markup
from dala.errors import DalaError
from dala.explain.decomposition import MOST, Steps, parse
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.explain.gate import FILE, MOST_BYTES, AverageGate, measure, read
from dala.images import encoding
from dala.lessons import contact_sheet, walkthrough, walkthrough_files
from dala.lessons.contact_sheet import Tile
from dala.lessons.handout import title_of
from dala.publishing.samples import Sample
from dala.ui import download as ui_download
from dala.ui import link
from dala.ui.alert import alert
from dala.ui.beside import beside
from dala.ui.current import Current, require
from dala.ui.mapview.view import MapView, payload, stages
from dala.ui.server.events import scheduled
from dala.ui.server.scheduler import Urgency
from dala.ui.session import MODEL, PLUMBING, Page
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
TEMPLATE = Path(__file__).with_name("steps.html")
CSS = (Path(__file__).parent / "steps.css").read_text(encoding="utf-8")
NOTHING = "<p>Choose a patch.</p>"

# `gr.Walkthrough` has no buttons and does not let a visitor jump ahead, so two buttons work in the browser. At either
# end they do nothing, but keep the keyboard focus.
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
  if (Number.isInteger(now)) dala.address.write({step: now === 1 ? null : now});
  for (const [id, end] of [['walk-back', now === 1], ['walk-forth', now === LAST]])
    document.getElementById(id)?.setAttribute('aria-disabled', end);
}""".replace("LAST", str(len(walkthrough.TITLES)))
# The step of a link.
STEP = """() => {
  const step = Number(new URLSearchParams(location.search).get('step'));
  return Number.isInteger(step) && step >= 1 && step <= LAST ? {selected: step, __type__: 'update'}
    : {__type__: 'update'};
}""".replace("LAST", str(len(walkthrough.TITLES)))


class StepByStep:
    """Handlers of the tab."""

    def __init__(self, page: Page, samples: Sequence[Sample]) -> None:
        self.page, self.samples = page, samples
        self._averages: WeakKeyDictionary[Explainer, tuple[AverageGate, str]] = WeakKeyDictionary()

    def show(self, current: Current | None, channels: str | None) -> list[Any]:
        """The six steps as HTML, and the value of the map view in the last one."""
        if current is None:
            return [*[NOTHING] * (len(walkthrough.TITLES) - 1), "", None]
        e, steps, chosen = self._parts(current, channels)
        # The map view has already encoded the picture.
        picture = payload(current.explanation)["picture"]
        pages = [_page(step, picture) for step in walkthrough.describe(e, steps, chosen)]
        return [*pages, stages(current.explanation) | beside(current, self.page.explainer(current))]

    def choose(self, current: Current | None, channels: str | None) -> list[Any]:
        """Show the channels that the visitor has entered."""
        try:
            return [*self.show(current, channels), self.gate(current, channels)]
        except DalaError as error:
            raise alert(error) from None

    def gate(self, current: Current | None, channels: str | None) -> str:
        """The attention gate for this patch, compared with the average gate."""
        if current is None:
            return NOTHING
        e, steps, chosen = self._parts(current, channels)
        average, why = self._average(self.page.explainer(current), e)
        shown = chosen or steps.ranking[:MOST].tolist()
        return _page(walkthrough.gate(e, average, shown), remark=why)

    def download(self, current: Current | None, channels: str | None, event: gr.EventData) -> str:
        """Pictures of the six steps and the numbers behind them as a zip in a data URL."""
        try:
            explainer = self.page.explainer(require(current))
            e, _, chosen = self._parts(require(current), channels)
            average, _ = self._average(explainer, e)
            display = ui_download.display(event)
            content = walkthrough_files.files(e, explainer, chosen, average, event.rule, event.strength, display)
        except DalaError as error:
            raise alert(error) from None
        return ui_download.data_url(content, title_of(require(current).source.file.name, "steps"))

    def _parts(self, current: Current, channels: str | None) -> tuple[Explanation, Steps, list[int]]:
        # A session keeps no gradient: the head computes it again in a millisecond.
        e = current.explanation
        e = self.page.explainer(current).retarget(e, e.target, methods=(cam.DEFAULT_METHOD,))
        steps = Steps.of(e)
        return e, steps, parse(channels, len(steps.weights))

    def _average(self, explainer: Explainer, e: Explanation) -> tuple[AverageGate | None, str]:
        """The average gate, cached for each network, and why it is not the one published with the weights."""
        if e.gate is None:
            return None, ""
        if explainer not in self._averages:
            self._averages[explainer] = self._find_average(explainer, len(e.gate))
        return self._averages[explainer]

    def _find_average(self, explainer: Explainer, channels: int) -> tuple[AverageGate, str]:
        why, origin = f"These weights come without {FILE}.", explainer.origin
        try:
            if origin and (file := origin.beside(FILE, most=MOST_BYTES)):
                return read(file, origin.sha256, channels), ""
        except DalaError as error:
            why = str(error)
        average = measure(explainer, [s.file for s in self.samples], "the app's samples")
        return average, f"{why} The average shown is that of the app's own samples."


def build(page: Page, samples: Sequence[Sample], demo: gr.Blocks) -> None:
    """Add the tab to the current context of tabs inside `demo`."""
    content = StepByStep(page, samples)
    with gr.Tab("Step by step", id="steps") as tab:
        pages = []
        with gr.Column(elem_classes="walk"):
            with gr.Row(elem_classes="walk-nav"):
                back = gr.Button("previous", size="sm", elem_id="walk-back")
                forth = gr.Button("next", size="sm", elem_id="walk-forth")
            walk = gr.Walkthrough(selected=1, elem_id="walk")
        with walk:
            for i, (title, formula) in enumerate(zip(walkthrough.TITLES, FORMULAS, strict=True), 1):
                with gr.Step(title, id=i):
                    gr.Markdown(f"$${formula}$$", elem_classes="formula")
                    pages.append(gr.HTML(css_template=CSS, elem_id=f"step-{i}"))
                    if i == 2:
                        channels, opened = _channels()
                    if i == len(walkthrough.TITLES):
                        view = MapView(elem_id="step-maps")
        glossary.build("steps")
        archive = gr.Textbox(visible="hidden")
    outputs = [*pages, view]
    page.follow(tab, content.show, [channels], outputs)
    page.follow(tab, content.gate, [channels], [opened])
    quiet = {**MODEL, "show_progress": "hidden"}
    channels.submit(
        scheduled(content.choose, Urgency.CHANGE, "steps"), [page.current, channels], [*outputs, opened], **quiet
    )
    channels.submit(None, channels, None, js=link.remember("channels"), **PLUMBING)
    demo.load(None, None, walk, js=STEP, **PLUMBING)
    demo.load(None, None, channels, js=link.recall("channels"), **PLUMBING)
    back.click(None, None, walk, js=MOVE.replace("BY", "-1"), **PLUMBING)
    forth.click(None, None, walk, js=MOVE.replace("BY", "1"), **PLUMBING)
    for moved in (walk.change, tab.select):
        moved(None, None, None, js=ENDS, **PLUMBING)
    view.download(content.download, [page.current, channels], archive, **PLUMBING).then(
        None, archive, None, js=ui_download.SAVE
    )


def _channels() -> tuple[gr.Textbox, gr.HTML]:
    """The text box for numbers of channels, and the gate below it."""
    with gr.Row(elem_classes="choices"):
        channels = gr.Textbox(
            label="Other channels, by number", placeholder="such as 7, 512, 1961; empty: those that contribute most",
            max_lines=1, elem_classes="channels",
        )  # fmt: skip
    gr.Markdown(f"### The attention's gate\n\n$${GATE}$$", elem_classes="formula")
    return channels, gr.HTML(css_template=CSS, elem_id="step-gate")


def _page(step: walkthrough.Step, picture: str = "", remark: str = "") -> Markup:
    """A step as HTML.

    Args:
        step: the step.
        picture: URL of the patch, for the tile without a title.
        remark: a further note below the step.
    """
    tiles = [(tile, _source(tile) if tile.title else picture) for tile in step.tiles]
    size = "one" if len(tiles) == 1 else "few" if len(tiles) <= 4 else "many"
    return markup.render(TEMPLATE, step=step, stops=_stops(step), tiles=tiles, size=size, remark=remark)


def _source(tile: Tile) -> str:
    return encoding.data_url(encoding.encode(tile.picture), "image/png")


def _stops(step: walkthrough.Step) -> str:
    """The colour scale of the tiles as stops of a CSS gradient; empty if the tiles are not maps."""
    if step.signed is None:
        return ""
    return ", ".join(f"rgb({r} {g} {b})" for r, g, b in contact_sheet.colours(step.signed)[::16].tolist())
