"""The sidebar of every tab: the patch, its scale, the samples, the class to explain."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import gradio as gr
from markupsafe import Markup

from dala.errors import DalaError
from dala.explain.explainer import Question
from dala.images import tiles
from dala.images.laboratory import ABROAD, GENERATED
from dala.publishing.samples import Sample
from dala.ui import link
from dala.ui.alert import alert
from dala.ui.current import Current, ExpiredError, Source, require
from dala.ui.explanation_cache import EXPLANATIONS
from dala.ui.model_cache import HOST
from dala.ui.server.pictures import stored
from dala.ui.server.scheduler import Urgency
from dala.ui.server.uploads import file_of
from dala.ui.session import PLUMBING, Page
from dala.ui.sidebar.sample_list import SampleList
from dala.ui.visit.component import KEYS, Place, Visit

__all__ = ["Patch", "build"]

UNKNOWN = "unknown"
SCALES = (UNKNOWN, "40X", "100X", "200X", "400X")
SHOWN = 10


class Patch:
    """Event handlers of the sidebar; they return the values of its components."""

    def __init__(self, page: Page, samples: Sequence[Sample]) -> None:
        self.page = page
        self.samples = SampleList(page.models, samples)
        # Samples are the same for all visitors: each is explained once.
        self._sample = lru_cache(maxsize=32)(self._explain)

    def upload(self, value: Any, model: str) -> list[Any]:
        """Explain a picture that was dropped, pasted or chosen."""
        try:
            return self._shown(self._explain(Source(file_of(value)), model))
        except DalaError as error:
            raise alert(error) from None

    def sample(self, model: str, event: gr.SelectData) -> list[Any]:
        """Explain the sample that was clicked."""
        try:
            return self._shown(self._sample(self.samples.source(int(event.index), model), model))
        except DalaError as error:
            raise alert(error) from None

    def first(self, model: str, request: gr.Request) -> list[Any]:
        """Explain the picture of the page's address when the page is opened, the first sample without one.

        An uploaded picture is sent again by the browser, if it still has it.
        """
        place = Place.of(request.query_params)
        skipped = place.upload or not self.samples.of(model)
        return [gr.skip()] * SHOWN if skipped else self._at(place, None, model)

    def open(self, current: Current | None, model: str, event: gr.EventData) -> list[Any]:
        """Explain the picture of an address, to which the visitor returned."""
        return self._at(Place.of({key: getattr(event, key) for key in KEYS.values()}), current, model)

    def target(self, name: str, current: Current | None) -> tuple[Any, ...]:
        """Explain another class; only the head runs again."""
        try:
            current = require(current)
            explanation = self.page.explainer(current).retarget(current.explanation, name)
        except DalaError as error:
            raise alert(error) from None
        current = current.with_explanation(explanation)
        return current, name, current.serial

    def scale(self, scale: str, current: Current | None, model: str) -> list[Any]:
        """Explain the whole picture at the scale of the weights, from the magnification that was chosen."""
        return self._again(current, model, scale=None if scale == UNKNOWN else scale, box=None)

    def part(self, current: Current | None, model: str, event: gr.SelectData) -> list[Any]:
        """Explain a part of a large picture, or the whole."""
        index = int(event.index)
        parts = current.parts if current else ()
        return self._again(current, model, box=parts[index - 1] if 0 < index <= len(parts) else None)

    def again(self, current: Current | None, model: str) -> list[Any]:
        """Show another network's samples, and explain the current picture with it."""
        return [self.samples.gallery(model), *(self._again(current, model) if current else [gr.skip()] * SHOWN)]

    def restore(self, current: Current | None) -> Any:
        """Show the current picture again after a file that could not be used."""
        return str(stored(current.explanation.picture)) if current else None

    def clear(self) -> tuple[Any, ...]:
        """Empty the sidebar when the picture is removed."""
        empty = gr.Radio(choices=[], value=None)
        return None, empty, "", "nothing", _alert(None), _shift(None), gr.Gallery(visible=False), UNKNOWN, None

    def _at(self, place: Place, current: Current | None, model: str) -> list[Any]:
        """Explain the picture of an address; what it names and the app does not have is ignored."""
        try:
            if not (place.upload and current):
                names = self.samples.names(model)
                index = names.index(place.sample) if place.sample in names else 0
                current = self._sample(self.samples.source(index, model), model)
            scale = place.magnification if place.magnification in SCALES[1:] else current.source.scale
            part = int(place.part) if place.part.isdecimal() and len(place.part) < 4 else 0
            box = current.parts[part - 1] if 0 < part <= len(current.parts) else None
            source = replace(current.source, scale=scale, box=box)
            if source != current.source:
                current = self._explain(source, model)
            if place.target in current.explanation.class_names and place.target != current.explanation.target:
                e = self.page.explainer(current).retarget(current.explanation, place.target)
                current = current.with_explanation(e)
            return self._shown(current)
        except DalaError as error:
            raise alert(error) from None

    def _place(self, current: Current, top: str) -> Place:
        """The address of a picture; what is shown without being chosen is left out."""
        s, e = current.source, current.explanation
        names = self.samples.names(current.model)
        own = self.samples.of(current.model)[names.index(s.sample)].magnification if s.sample in names else None
        return Place(
            "" if s.sample in names[:1] else s.sample,
            "" if s.sample else "1",
            "" if e.target == top else e.target,
            "" if s.scale == own else s.scale or UNKNOWN,
            str(current.parts.index(s.box) + 1) if s.box in current.parts else "",
        )

    def _again(self, current: Current | None, model: str, **changes: Any) -> list[Any]:
        try:
            source = replace(require(current).source, **changes)
            if not source.file.is_file():
                raise ExpiredError
            return self._shown(self._explain(source, model))
        except DalaError as error:
            raise alert(error) from None

    def _explain(self, source: Source, model: str) -> Current:
        explainer = self.page.models[model]
        # Without effect if the weights do not state the scale that they expect.
        scale = source.scale if explainer.preprocessing.magnification else None
        selection = tiles.select(source.file, explainer.preprocessing, scale, source.box)
        explanation = EXPLANATIONS.explain(explainer, selection.picture, Question(), selection.zoom)
        return Current.of(explanation, source, model, selection)

    def _shown(self, current: Current) -> list[Any]:
        e = current.explanation
        ranked = sorted(e.probabilities.items(), key=lambda item: -item[1])
        classes = gr.Radio(choices=[(f"{name}  {p:.3f}", name) for name, p in ranked], value=e.target)
        lines = "  \n".join(_plain(line) for line in self._lines(current) if line)
        thumbnails = [(picture, f"part {i}" if i else "the whole") for i, picture in enumerate(current.thumbnails)]
        parts = gr.Gallery(value=thumbnails, visible=bool(current.parts), selected_index=None)
        scale = current.source.scale or UNKNOWN
        notes = _alert(e.warning), _shift(current)
        place = self._place(current, ranked[0][0]).address() | {"serial": current.serial}
        picture = str(stored(e.picture))
        return [picture, current, classes, lines, current.serial, *notes, parts, scale, place]

    def _lines(self, current: Current) -> list[str]:
        """Describe the scale, compared with the one that the weights expect; the origin; device, time and size."""
        e, scale, size = current.explanation, current.source.scale, self.page.explainer(current).preprocessing
        resized = "" if e.original_size == e.picture.size else f" · resized from {_size(e.original_size)}"
        run = f"{e.device.upper()} · {e.seconds:.2f} s · seen at {_size(e.picture.size)}{resized}"
        if not size.magnification:
            line = "The weights do not say which scale they expect."
        elif scale == size.magnification:
            line = f"{scale}, as the weights expect."
        elif scale:
            line = f"{scale}, resized to the {size.magnification} that the weights expect: details may be missing."
        elif current.parts and current.source.box is None:
            line = f"As large as {current.patches:.0f} patches, shrunk to one: choose a part above."
        else:
            line = f"Scale unknown: the weights expect {size.magnification}."
        return [line, current.source.about, run]


def build(page: Page, demo: gr.Blocks, samples: Sequence[Sample], changed: gr.Textbox) -> Patch:
    """Lay out the sidebar in the current context and bind its handlers; `changed` changes with the network."""
    column = Patch(page, samples)
    patch = gr.Image(
        label="Patch", alt_text="The patch as the network sees it", placeholder="Drop, paste (Ctrl+V) or choose one",
        type="filepath", format="png", sources=["upload", "clipboard"], buttons=["fullscreen"], elem_classes="patch",
    )  # fmt: skip
    visit = Visit()
    parts = _gallery(None, "Parts of this picture", "parts", visible=False)
    gallery = _gallery(column.samples.gallery(HOST), "Samples", "samples")
    scale = gr.Dropdown(list(SCALES), value=UNKNOWN, label="Magnification", elem_classes="scale-choice")
    alert = _alert(None)
    classes = gr.Radio(label="Class to explain, with its probability", elem_classes="classes")
    shift = _shift(None)
    run = gr.Markdown(elem_classes="run")
    shown = [patch, page.current, classes, run, page.serial, alert, shift, parts, scale, visit]
    failure = column.restore, page.current, patch
    page.explains(patch.upload, column.upload, [patch, page.model], shown, failure=failure, preprocess=False)
    page.explains(patch.clear, column.clear, None, shown[1:])
    page.explains(gallery.select, column.sample, page.model, shown)
    page.explains(parts.select, column.part, [page.current, page.model], shown)
    # Not `input`, which a dropdown sends twice, and again when it loses the focus.
    page.explains(scale.select, column.scale, [scale, page.current, page.model], shown)
    target = [page.current, classes, page.serial]
    page.explains(classes.input, column.target, [classes, page.current], target, urgency=Urgency.CHANGE)
    page.explains(changed.change, column.again, [page.current, page.model], [gallery, *shown])
    classes.input(None, classes, None, js=link.remember("class"), **PLUMBING)
    scale.select(None, scale, None, js=link.remember("magnification"), **PLUMBING)
    page.explains(visit.open, column.open, [page.current, page.model], shown)
    page.explains(demo.load, column.first, page.model, shown)
    return column


def _gallery(value: Any, label: str, name: str, **options: Any) -> gr.Gallery:
    return gr.Gallery(
        value, label=label, columns=1, allow_preview=False, object_fit="cover", height="auto", buttons=[],
        interactive=False, elem_classes=["pictures", name], **options,
    )  # fmt: skip


def _alert(warning: str | None) -> gr.HTML:
    """The warning above the probabilities; rendered anew each time, so that screen readers announce it."""
    text = Markup("<p role='alert'>{}</p>").format(warning) if warning else ""
    return gr.HTML(text, visible=bool(warning), elem_classes="alert")


def _shift(current: Current | None) -> gr.HTML:
    """What a laboratory unlike those in training means for the probabilities above; a stronger warning replaces it."""
    found = current.explanation.comparison if current and not current.explanation.warning else None
    text = Markup()
    if current and found and found.unlike:
        words = found.sentence(GENERATED if current.source.generated else ABROAD)
        text = Markup("<p role='status'>{}</p>").format(words)
    return gr.HTML(text, visible=bool(text), elem_classes="shift")


def _plain(text: str) -> str:
    """Text of a samples file or a config, escaped for Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|&~$])", r"\\\1", text)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]} px"
