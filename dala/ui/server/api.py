"""The public endpoints, for `gradio_client`, plain HTTP and, as tools, MCP. The page's own events stay private."""

import base64
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from gradio.components.api_component import Api
from PIL import Image

from dala import cam
from dala.errors import DalaError
from dala.explain import export
from dala.explain.explainer import Explainer, ExplainError, Question
from dala.explain.explanation import Explanation
from dala.heatmaps import npz, similarity
from dala.heatmaps.thresholds import DEFAULT_RULE, RULES, Threshold, check
from dala.images import reading
from dala.ui.alert import alert
from dala.ui.explanation_cache import EXPLANATIONS
from dala.ui.server.events import SCHEDULER
from dala.ui.server.scheduler import Urgency
from dala.ui.server.schemas import FLAG, INTEGER, NUMBER, PICTURE, RAW_MAP, TEXT, ApiError, Parameter, choice, choices
from dala.ui.server.uploads import picture

__all__ = ["ApiError", "Endpoints", "build"]

COMPARED = ("grad_cam", "layer_cam", "eigen_cam")
# The endpoints' parameters, described once: `_publish` adds these lines to the docstrings, which Gradio shows.
DESCRIPTIONS = {
    "image": "the patch: an uploaded file, or its bytes as base64 or data URL; PNG, JPEG, TIFF, WebP, BMP or GIF.",
    "target": "name of the class to explain; by default the predicted one.",
    "rule": "threshold rule, which takes tau from the map: a pixel is kept if its value is tau or more.",
    "strength": "the rule's control, such as k of mean_std or p of percentile; by default the rule's own.",
    "over": "name of a second class: explain the margin of the target over it.",
    "method": "what makes the map.",
    "methods": "what makes the maps.",
    "layer": "stage whose feature maps are explained; by default the last.",
    "evidence": "for the target, or against it.",
    "share": "share of the area, above 0 to 1, of the regions whose overlap (intersection over union) is measured.",
    "raw_maps": "add the raw maps, in units of the logit, as base64 of an NPZ.",
    "raw_map": "values from 0 on: base64 of an NPZ, such as raw_maps of the other endpoints, or a list of rows.",
    "height": "of the picture, in pixels, to which the map is enlarged bilinearly first; by default the map's own.",
    "width": "of the picture, in pixels; by default the map's own.",
    "name": "which map of an NPZ that holds several.",
}


class Endpoints:
    """The handlers. Gradio takes the names, order and defaults of the parameters from the signatures, and the
    documentation from the docstrings.
    """

    def __init__(self, explainer: Explainer) -> None:
        self.explainer = explainer

    def explain(
        self,
        image: Any,
        target: str | None = None,
        rule: str = DEFAULT_RULE,
        strength: float | None = None,
        over: str | None = None,
        method: str = cam.DEFAULT_METHOD,
        layer: str | None = None,
        evidence: str = "for",
        raw_maps: bool = False,
    ) -> tuple[dict[str, Any], Image.Image, Image.Image]:
        """Explain one patch with one method, plain and dynamically thresholded. For teaching, not for diagnosis.

        Returns:
            every number as JSON (probabilities, warning, shift, tau, kept area, raw maximum, model, versions)
            the overlay of the whole map
            the overlay of what the threshold keeps
        """
        question = self._question(target, over, [method], layer, evidence)
        e, kept = self._explained(image, question, rule, strength)
        pictures = export.pictures(e, kept)
        numbers = export.values(e, kept, self.explainer) | _raw(e, raw_maps)
        return numbers, pictures[method], pictures[f"dt_{method}"]

    def compare(
        self,
        image: Any,
        target: str | None = None,
        rule: str = DEFAULT_RULE,
        strength: float | None = None,
        over: str | None = None,
        methods: Sequence[str] = COMPARED,
        layer: str | None = None,
        evidence: str = "for",
        share: float = similarity.DEFAULT_SHARE,
        raw_maps: bool = False,
    ) -> tuple[dict[str, Any], Image.Image]:
        """Explain one patch with several methods at one layer, and measure how far they agree. Not for diagnosis.

        Returns:
            every number as JSON: those of /explain by method, rank correlation, overlap, places on the picture
            one picture: a column a method, the whole map above, what the threshold keeps below
        """
        question = self._question(target, over, methods, layer, evidence)
        e, kept = self._explained(image, question, rule, strength)
        sheet, places = export.sheet(e, export.pictures(e, kept))
        numbers = export.values(e, kept, self.explainer) | _raw(e, raw_maps)
        numbers |= {"agreement": export.agreement_values(e, share), "places": places}
        return numbers, sheet

    def threshold(
        self,
        raw_map: str | list[Any],
        rule: str = DEFAULT_RULE,
        strength: float | None = None,
        height: int | None = None,
        width: int | None = None,
        name: str | None = None,
    ) -> tuple[dict[str, Any], Image.Image]:
        """Apply a dynamic threshold to a raw map that you have; no network runs.

        Returns:
            rule, strength, tau, kept area, raw maximum and size (height, width) as JSON
            the mask: white where the map is kept, black elsewhere
        """
        check(rule, strength)
        source = npz.from_text(raw_map) if isinstance(raw_map, str) else raw_map
        numbers, mask = export.masked(npz.read(source, name), (height, width), rule, strength)
        return numbers, mask

    def _question(
        self, target: str | None, over: str | None, methods: Sequence[str], layer: str | None, evidence: str
    ) -> Question:
        if over and not target:
            raise ApiError("`over` needs `target`, the class whose margin is explained.")
        question = Question((target, over) if target and over else target, methods, layer, evidence)
        self.explainer.check(question)
        for name in methods:
            method = cam.METHODS[name]
            if method.reruns or (method.per_channel and layer not in (None, self.explainer.layers[-1])):
                raise ExplainError(f"{name} would take minutes here: use it in Python or on the command line.")
        return question

    def _explained(
        self, image: Any, question: Question, rule: str, strength: float | None
    ) -> tuple[Explanation, dict[str, Threshold]]:
        check(rule, strength)
        e = EXPLANATIONS.explain(self.explainer, reading.read(picture(image)), question)
        return e, export.thresholds(e, rule, strength)


def build(explainer: Explainer) -> None:
    """Bind the endpoints inside the current `gr.Blocks`."""
    endpoints = Endpoints(explainer)
    methods = [name for name, method in cam.METHODS.items() if not method.reruns]
    parameters = {
        "image": PICTURE,
        "target": choice(explainer.class_names),
        "rule": choice(list(RULES)),
        "strength": NUMBER,
        "over": choice(explainer.class_names),
        "method": choice(methods),
        "methods": choices(methods),
        "layer": choice(explainer.layers),
        "evidence": choice(["for", "against"]),
        "share": NUMBER,
        "raw_maps": FLAG,
        "raw_map": RAW_MAP,
        "height": INTEGER,
        "width": INTEGER,
        "name": TEXT,
    }
    with gr.Column(visible=False):
        _publish(endpoints.explain, parameters, ["overlay", "DT overlay"], "api")
        _publish(endpoints.compare, parameters, ["overlays"], "api")
        _publish(endpoints.threshold, parameters, ["mask"], "threshold")


def _publish(handler: Callable[..., Any], parameters: dict[str, Parameter], pictures: Sequence[str], lane: str) -> None:
    """Bind an endpoint; endpoints on one lane run one after the other."""
    arguments = list(inspect.signature(handler).parameters.values())
    inputs = [
        Api(
            None if a.default is a.empty else a.default,
            {**parameters[a.name].schema, "additional_description": DESCRIPTIONS[a.name]},
            a.name,
        )
        for a in arguments
    ]
    outputs = [Api(None, {"type": "object"}, "numbers"), *(gr.Image(label=name, format="png") for name in pictures)]
    gr.Button().click(
        _checked(handler, arguments, parameters), inputs, outputs, preprocess=False, api_name=handler.__name__,
        concurrency_id=lane, concurrency_limit=1,
    )  # fmt: skip


def _checked(
    handler: Callable[..., Any], arguments: Sequence[inspect.Parameter], parameters: dict[str, Parameter]
) -> Callable[..., Any]:
    """The handler with its parameters documented and checked, and defaults in the place of null and empty text."""

    def value_of(argument: inspect.Parameter, value: Any) -> Any:
        if argument.default is not argument.empty and value in (None, ""):
            return argument.default
        return parameters[argument.name].check(argument.name, value)

    @functools.wraps(handler)
    def answer(*values: Any) -> Any:
        try:
            checked = [value_of(a, value) for a, value in zip(arguments, values, strict=True)]
            return SCHEDULER.submit(lambda: handler(*checked), Urgency.COMPARE).future.result()
        except DalaError as error:
            raise alert(error) from None

    summary, _, returns = (inspect.getdoc(handler) or "").partition("\n\nReturns:")
    lines = "".join(f"\n    {a.name}: {DESCRIPTIONS[a.name]}" for a in arguments)
    answer.__doc__ = f"{summary}\n\nArgs:{lines}\n\nReturns:{returns}"
    return answer


def _raw(explanation: Explanation, wanted: bool) -> dict[str, str]:
    return {"raw_maps": base64.b64encode(npz.pack(explanation.maps)).decode()} if wanted else {}
