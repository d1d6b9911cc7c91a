"""The tab that puts several methods side by side: on one scale or their own, at one kept area or their own τ."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import gradio as gr
import torch

from dala import cam
from dala.cam.targets import Target
from dala.errors import DalaError
from dala.explain import export
from dala.explain.explanation import Explanation
from dala.explain.question import Question
from dala.heatmaps import similarity
from dala.ui import link
from dala.ui.download import SAVE, data_url, display
from dala.ui.mapview.view import MapView, comparison
from dala.ui.session import MODEL, PLUMBING, ExpiredError, Page, Seen, held, sentence
from dala.ui.tabs import glossary

__all__ = ["Compare", "CompareError", "build"]

FIRST = ("grad_cam", "grad_cam_pp", "layer_cam", "eigen_cam")
FEWEST, MOST = 2, 6
ALONE = "the class alone"
READING = """
- **One colour scale** makes sense for methods that share a unit. Grad-CAM, HiResCAM, XGrad-CAM and LayerCAM are in
  units of the logit; Grad-CAM++, Eigen-CAM and the controls are not.
- **Thresholded, all at the kept area of the first** is the fair comparison: at its own τ a method that smears keeps
  more, and more always looks better.
- **random** and **centred Gaussian** see neither picture nor network. A method worth its name should not agree with
  them.
- A margin, "malignant over benign", explains the difference of two logits: what both share moves each class's own map,
  and not the decision.
- Click on a patch, or use the arrow keys on the pictures, for every map's raw value at that place.
"""


class CompareError(DalaError):
    """A choice that cannot be compared."""


@dataclass(frozen=True, eq=False)
class Compared:
    """What a session compared last: the explanation, with its gradient, and of which `Seen` it was made."""

    explanation: Explanation
    source: Explanation


class Compare:
    """The tab's handlers."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def show(
        self,
        seen: Seen | None,
        methods: Sequence[str],
        over: str | None,
        layer: str | None,
        evidence: str,
        last: Compared | None,
    ) -> tuple[Any, ...]:
        """The maps of the methods chosen, how far they agree, and what can be chosen for this class and network."""
        if seen is None:
            return None, "", None, gr.skip(), gr.skip()
        if not FEWEST <= len(methods) <= MOST:
            raise CompareError(f"Choose {FEWEST} to {MOST} methods, not {len(methods)}.")
        explainer, chosen = self.page.explainer(seen), seen.explanation.target
        others = [f"over {name}" for name in explainer.class_names if name != chosen]
        over = over if over in others else ALONE
        layer = layer if layer in explainer.layers else explainer.layers[-1]
        target: Target = chosen if over == ALONE else (chosen, over.removeprefix("over "))
        question = Question(target, methods, layer, evidence)
        start = _same_forward(seen, layer, last)
        if start is None:
            e = explainer.explain_image(seen.explanation.picture, question, zoom=1.0)
        else:
            e = explainer.retarget(start, question)
        e = replace(e, features=e.features and e.features.cpu())
        targets = gr.Dropdown(choices=[ALONE, *others], value=over)
        layers = gr.Dropdown(choices=list(explainer.layers), value=layer)
        return comparison(e), matrix(e), Compared(e, seen.explanation), targets, layers

    def again(self, *given: Any) -> tuple[Any, ...]:
        """Another method, layer, target or kind of evidence was chosen."""
        try:
            return self.show(held(given[0]), *given[1:])
        except DalaError as error:
            raise sentence(error) from None

    def asked(self, request: gr.Request) -> tuple[Any, ...]:
        """The choices that a link asks for; what does not exist is passed over."""
        asked, explainer = request.query_params, self.page.shelf.host
        names = [n for n in asked.get("methods", "").split(",") if n in cam.METHODS and not cam.METHODS[n].reruns]
        over, layer, evidence = (asked.get(key, "") for key in ("over", "layer", "evidence"))
        return (
            names if FEWEST <= len(names) <= MOST else gr.skip(),
            gr.Dropdown(choices=[ALONE, over], value=over) if over.removeprefix("over ") in explainer.class_names
            and over.startswith("over ") else gr.skip(),
            layer if layer in explainer.layers else gr.skip(),
            evidence if evidence in ("for", "against") else gr.skip(),
        )  # fmt: skip

    def download(self, last: Compared | None, seen: Seen | None, event: gr.EventData) -> str:
        """Every map as an overlay, thresholded and plain, with the numbers, and how far they agree."""
        try:
            if last is None:
                raise ExpiredError
            switches = {"one_kept_area": event.level, "one_colour_scale": event.shared}
            look = {**display(event), "shared": event.shared}
            written = export.files(
                last.explanation, self.page.explainer(held(seen)), event.rule, event.strength, look,
                {"agreement": export.agreement_values(last.explanation), **switches}, event.level,
            )  # fmt: skip
            return data_url(written)
        except DalaError as error:
            raise sentence(error) from None


def _same_forward(seen: Seen, layer: str, last: Compared | None) -> Explanation | None:
    """An explanation whose feature maps are those of this picture, network and layer."""
    if seen.explanation.layer == layer:
        return seen.explanation
    # Another class of the same picture shares the feature maps, and no more than the picture need be compared.
    if last and last.explanation.layer == layer and last.source.picture is seen.explanation.picture:
        return last.explanation
    return None


def matrix(explanation: Explanation) -> str:
    """How far maps agree, as a table: rank correlation below the diagonal, overlap at equal area above it."""
    names = [group[0] for group in explanation.coinciding()]
    heats = torch.stack([explanation.heat(name) for name in names])
    ranks, overlaps = similarity.rank_correlation(heats).tolist(), similarity.overlap(heats).tolist()
    titles = [escape(cam.METHODS[name].title) for name in names]
    lines = ""
    for i, title in enumerate(titles):
        cells = [ranks[i][j] if j < i else overlaps[i][j] for j in range(len(names))]
        row = "".join("<td class='self'></td>" if j == i else _cell(value) for j, value in enumerate(cells))
        lines += f"<tr><th scope='row'>{title}</th>{row}</tr>"
    heads = "".join(f"<th scope='col'>{title}</th>" for title in titles)
    caption = (
        "How far the maps agree. Above the diagonal: overlap (IoU) of the strongest "
        f"{100 * similarity.DEFAULT_SHARE:.0f} % of the area. Below it: rank correlation (Spearman)."
    )
    return f"<table class='agreement'><caption>{caption}</caption><tr><td></td>{heads}</tr>{lines}</table>"


def _cell(value: float) -> str:
    if value != value:  # a map that is the same everywhere ranks nothing
        return "<td>none</td>"
    return f"<td style='--share: {max(0.0, value):.2f}'>{value:.2f}</td>"


def build(page: Page, demo: gr.Blocks) -> None:
    """The tab, in the current context of tabs inside `demo`."""
    content, explainer = Compare(page), page.shelf.host
    quick = [(m.title, name) for name, m in cam.METHODS.items() if not m.reruns]
    with gr.Tab("Compare methods", id="compare") as tab:
        with gr.Row(elem_classes="choices"):
            methods = gr.CheckboxGroup(
                quick, value=list(FIRST), label=f"Methods, {FEWEST} to {MOST}", elem_classes="methods", scale=3
            )
        with gr.Row(elem_classes="choices"):
            over = gr.Dropdown([ALONE], value=ALONE, label="explain", min_width=150)
            layer = gr.Dropdown(list(explainer.layers), value=explainer.layers[-1], label="layer", min_width=130)
            evidence = gr.Radio(
                ["for", "against"], value="for", label="evidence", min_width=150, elem_classes="evidence"
            )
        view = MapView(together=True, elem_id="comparison")
        agreed = gr.HTML(elem_classes="agreed")
        with gr.Accordion("How to compare", open=False):
            gr.Markdown(READING)
        glossary.build("compare")
        archive, last = gr.Textbox(visible="hidden"), gr.State(time_to_live=3600)
    names: dict[Any, str] = {methods: "methods", over: "over", layer: "layer", evidence: "evidence"}
    chosen, shown = list(names), [view, agreed, last, over, layer]
    page.follow(tab, content.show, [*chosen, last], shown, show_progress="full", show_progress_on=view)
    for choice in chosen:
        choice.input(
            content.again, [page.seen, *chosen, last], shown, show_progress="full", show_progress_on=view, **MODEL
        )
        choice.input(None, choice, None, js=link.remember(names[choice]), **PLUMBING)
    demo.load(content.asked, None, chosen, **PLUMBING)
    view.download(content.download, [last, page.seen], archive, **PLUMBING).then(None, archive, None, js=SAVE)
