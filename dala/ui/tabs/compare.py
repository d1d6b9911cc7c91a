"""The tab "Compare methods": several maps on one colour scale or their own, at one kept area or their own τ."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from markupsafe import Markup

from dala import cam
from dala.cam.targets import Target
from dala.errors import DalaError
from dala.explain import export
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.explain.question import Question
from dala.ui import choices, link
from dala.ui import download as ui_download
from dala.ui.alert import alert
from dala.ui.beside import beside
from dala.ui.current import Current, ExpiredError, require
from dala.ui.mapview.view import MapView, comparison
from dala.ui.price import progress_of, words
from dala.ui.server.events import scheduled
from dala.ui.server.scheduler import Urgency
from dala.ui.session import LONG, MODEL, PLUMBING, Page
from dala.ui.tabs import glossary
from dala.ui.tabs.agreement import matrix

__all__ = ["Compare", "CompareError", "build"]

FIRST = (cam.DEFAULT_METHOD, "grad_cam_pp", "layer_cam", "eigen_cam")
FEWEST, MOST = 2, 6
ALONE = "the class alone"
READING = """
- **One colour scale** makes sense for methods that share a unit. Grad-CAM, HiResCAM, XGrad-CAM and LayerCAM are in
  units of the logit; Grad-CAM++, Eigen-CAM and the controls are not.
- **Thresholded, all at the kept area of the first** is the fair comparison: at its own τ, a method with a diffuse map
  keeps a larger area, and a larger area always looks better.
- **random** and **centred Gaussian** use neither the picture nor the network. The map of a useful method does not agree
  with them.
- A margin, "malignant over benign", explains the difference of two logits. Evidence that both classes share appears in
  the map of each class, but does not change the decision.
- Click on a patch, or use the arrow keys on the pictures, to read every map's raw value at that position.
"""


class CompareError(DalaError):
    """A choice of methods that cannot be compared."""


@dataclass(frozen=True, eq=False)
class Compared:
    """The last comparison of a session: the explanation and the one on screen it was made from."""

    explanation: Explanation
    source: Explanation


class Compare:
    """Handlers of the tab."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def show(
        self,
        current: Current | None,
        methods: Sequence[str],
        over: str | None,
        layer: str | None,
        evidence: str,
        last: Compared | None,
    ) -> tuple[Any, ...]:
        """The maps of the chosen methods but the slow ones, whose price is shown; see `_shown`."""
        if current is None:
            return None, "", None, gr.skip(), gr.skip(), *_price({})
        explainer, start, question = self._start(current, methods, over, layer, evidence, last)
        slow = self.page.prices.slow(explainer, start, methods)
        quick = [name for name in methods if name not in slow]
        if not quick:
            return None, "", None, *self._choices(current, question), *_price(slow)
        e = explainer.retarget(start, replace(question, methods=tuple(quick)))
        return *self._shown(current, e, question), *_price(slow)

    def slow(
        self,
        current: Current | None,
        methods: Sequence[str],
        over: str | None,
        layer: str | None,
        evidence: str,
        last: Compared | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  as Gradio finds it
    ) -> tuple[Any, ...]:
        """All maps, after the visitor has seen the price of the slow ones."""
        try:
            current = require(current)
            explainer, start, question = self._start(current, methods, over, layer, evidence, last)
            with progress_of(progress, methods):
                e = explainer.retarget(start, question)
        except DalaError as error:
            raise alert(error) from None
        return *self._shown(current, e, question), *_price({})

    def again(self, *inputs: Any) -> tuple[Any, ...]:
        """Update after a change of method, layer, target or evidence."""
        try:
            return self.show(require(inputs[0]), *inputs[1:])
        except DalaError as error:
            raise alert(error) from None

    def _start(
        self,
        current: Current,
        methods: Sequence[str],
        over: str | None,
        layer: str | None,
        evidence: str,
        last: Compared | None,
    ) -> tuple[Explainer, Explanation, Question]:
        """The network, an explanation of the picture with the feature maps of the layer, and the question."""
        if not FEWEST <= len(methods) <= MOST:
            raise CompareError(f"Choose {FEWEST} to {MOST} methods, not {len(methods)}.")
        explainer, chosen = self.page.explainer(current), current.explanation.target
        over = over if over in self._others(current) else ALONE
        layer = layer if layer in explainer.layers else explainer.layers[-1]
        target: Target = chosen if over == ALONE else (chosen, over.removeprefix("over "))
        question = Question(target, tuple(methods), layer, evidence)
        explainer.check(question)
        start = _same_forward(current, layer, last)
        if start is None:
            plain = replace(question, methods=(cam.DEFAULT_METHOD,))
            start = explainer.explain_image(current.explanation.picture, plain, zoom=1.0)
        return explainer, start, question

    def _others(self, current: Current) -> list[str]:
        names = self.page.explainer(current).class_names
        return [f"over {name}" for name in names if name != current.explanation.target]

    def _choices(self, current: Current, question: Question) -> tuple[gr.Dropdown, gr.Dropdown]:
        """Targets and layers of this class and network."""
        over = f"over {question.target[1]}" if isinstance(question.target, tuple) else ALONE
        layers = list(self.page.explainer(current).layers)
        targets = gr.Dropdown(choices=[ALONE, *self._others(current)], value=over)
        return targets, gr.Dropdown(choices=layers, value=question.layer)

    def _shown(self, current: Current, e: Explanation, question: Question) -> tuple[Any, ...]:
        """Maps, their agreement, what a later choice starts from, and the choices for this class and network.

        The gradient is not kept: at a lower layer it is as large as the feature maps, and a session may keep it for an
        hour.
        """
        view, agreed = comparison(e) | beside(current, self.page.explainer(current)), matrix(e)
        return view, agreed, Compared(e.without_gradient(), current.explanation), *self._choices(current, question)

    def from_link(self, request: gr.Request) -> tuple[Any, ...]:
        """The choices in the query of a link; unknown ones are ignored."""
        query, explainer = request.query_params, self.page.models.host
        names = [n for n in query.get("methods", "").split(",") if n in cam.METHODS and not cam.METHODS[n].reruns]
        over, layer, evidence = (query.get(key, "") for key in ("over", "layer", "evidence"))
        return (
            names if FEWEST <= len(names) <= MOST else gr.skip(),
            gr.Dropdown(choices=[ALONE, over], value=over) if over.removeprefix("over ") in explainer.class_names
            and over.startswith("over ") else gr.skip(),
            layer if layer in explainer.layers else gr.skip(),
            evidence if evidence in ("for", "against") else gr.skip(),
        )  # fmt: skip

    def download(self, last: Compared | None, current: Current | None, event: gr.EventData) -> str:
        """Every map as an overlay, thresholded and plain, all numbers and the agreement as a zip in a data URL."""
        try:
            if last is None:
                raise ExpiredError
            switches = {"one_kept_area": event.level, "one_colour_scale": event.shared}
            display = {**ui_download.display(event), "shared": event.shared}
            e, explainer, chosen = last.explanation, self.page.explainer(require(current)), (event.rule, event.strength)
            more = {"agreement": export.agreement_values(e), **switches}
            content = export.files(e, explainer, *chosen, display, more, event.level)
            picture = require(current).source.file.name
            return ui_download.whole(content, e, explainer, (*chosen, event.level), picture)
        except DalaError as error:
            raise alert(error) from None


def _same_forward(current: Current, layer: str, last: Compared | None) -> Explanation | None:
    """An explanation with the feature maps of this picture, network and layer, or None."""
    if current.explanation.layer == layer:
        return current.explanation
    # All classes of a picture share its feature maps, so it suffices to compare the pictures.
    if last and last.explanation.layer == layer and last.source.picture is current.explanation.picture:
        return last.explanation
    return None


def _price(slow: dict[str, float]) -> tuple[gr.Row, Any]:
    """What the slow methods cost, before they are run; nothing where there is none."""
    titles = " and ".join(cam.METHODS[name].title for name in slow)
    text = Markup("{} at this layer: about {} on this server.").format(titles, words(sum(slow.values())))
    return gr.Row(visible=bool(slow)), text if slow else ""


def build(page: Page, demo: gr.Blocks) -> None:
    """Add the tab to the current context of tabs inside `demo`."""
    content, explainer = Compare(page), page.models.host
    with gr.Tab("Compare methods", id="compare") as tab:
        with gr.Row(elem_classes="choices"):
            methods = gr.CheckboxGroup(
                choices.quick_methods(),
                value=list(FIRST),
                label=f"Methods, {FEWEST} to {MOST}",
                elem_classes=["methods", f"at-least-{FEWEST}", f"at-most-{MOST}"],
                scale=3,
            )
        with gr.Row(elem_classes="choices"):
            over = gr.Dropdown([ALONE], value=ALONE, label="explain", min_width=150)
            layer = gr.Dropdown(list(explainer.layers), value=explainer.layers[-1], label="layer", min_width=130)
            evidence = gr.Radio(
                ["for", "against"], value="for", label="evidence", min_width=150, elem_classes="evidence"
            )
        with gr.Row(elem_classes="choices price", visible=False) as offer:
            price = gr.HTML(elem_classes="price-words")
            run = gr.Button("Run", size="sm", min_width=90, scale=0)
            stop = gr.Button("Stop", size="sm", min_width=90, scale=0)
        view = MapView(together=True, elem_id="comparison")
        agreed = gr.HTML(elem_classes="agreed")
        with gr.Accordion("How to compare", open=False):
            gr.Markdown(READING)
        glossary.build("compare")
        archive, last = gr.Textbox(visible="hidden"), gr.State(time_to_live=3600)
    names: dict[Any, str] = {methods: "methods", over: "over", layer: "layer", evidence: "evidence"}
    chosen, shown = list(names), [view, agreed, last, over, layer, offer, price]
    page.follow(tab, content.show, [*chosen, last], shown, show_progress="full", show_progress_on=view)
    inputs, quick = [page.current, *chosen, last], scheduled(content.again, Urgency.COMPARE, "compare")
    for choice in chosen:
        # A dropdown sends `input` twice, and again when it loses the focus.
        changed = choice.select if isinstance(choice, gr.Dropdown) else choice.input
        changed(quick, inputs, shown, show_progress="full", show_progress_on=view, **MODEL)
        changed(None, choice, None, js=link.remember(names[choice]), **PLUMBING)
    slow = scheduled(content.slow, Urgency.LONG, "compare")
    running = run.click(slow, inputs, shown, show_progress="full", show_progress_on=view, **LONG)
    stop.click(None, None, None, cancels=[running])
    demo.load(content.from_link, None, chosen, **PLUMBING)
    view.download(content.download, [last, page.current], archive, **PLUMBING).then(
        None, archive, None, js=ui_download.SAVE
    )
