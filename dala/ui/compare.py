"""The first tab: a patch, Grad-CAM and DT Grad-CAM side by side, and the threshold between them."""

import base64
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import gradio as gr
from PIL import Image

from dala import export, images
from dala.errors import DalaError
from dala.explain import Explainer
from dala.explanation import Explanation
from dala.samples import Sample, SamplesError
from dala.ui.mapview import MapView, payload
from dala.ui.uploads import sentence, uploaded_file

__all__ = ["Compare", "build"]

# The zip travels as text and never lies on the server's disk.
SAVE = """async zip => {
  if (!zip) return;
  const href = URL.createObjectURL(await (await fetch(zip)).blob());
  Object.assign(document.createElement('a'), {href, download: 'explanation.zip'}).click();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
}"""


READING = """
- **Grad-CAM** shows where the feature maps that speak for a class are strong. It does not say why, and it is no
  segmentation: one value stands for 32×32 pixels.
- **DT Grad-CAM** is the same map from a threshold τ on that is taken from the map itself. It changes what is shown, not
  which place ranks above which.
- Colours run from 0 to the raw maximum beside the bar. A faint map looks as bright as a strong one: compare the maxima.
- Here HiResCAM and XGrad-CAM would give this very Grad-CAM, because the head pools globally first and the gradient is
  the same at every position.
- A probability is this network's on this picture, whatever the picture shows. A cat gets one too.
"""


class ExpiredError(DalaError):
    """A page was left alone for so long that its state is gone."""

    def __init__(self) -> None:
        super().__init__("This explanation has expired: choose the picture again.")


class Compare:
    """The tab's handlers: thin, each from what the browser sent to what its components show."""

    def __init__(self, explainer: Explainer, samples: Sequence[Sample]) -> None:
        self.explainer, self.samples = explainer, samples
        # Samples are the same for everybody: explained once, not once a visitor.
        self._sample = lru_cache(maxsize=32)(self._explain_sample)

    def upload(self, value: Any) -> list[Any]:
        """A picture was dropped, pasted or chosen: explain the predicted class."""
        try:
            explanation = self.explainer.explain(uploaded_file(value))
        except DalaError as error:
            raise sentence(error) from None
        return self._shown(explanation, payload(explanation), "scale of this picture unknown")

    def sample(self, event: gr.SelectData) -> list[Any]:
        """A sample was clicked."""
        return self._shown(*self._sample(int(event.index)))

    def first(self) -> list[Any]:
        """The page was opened: the first sample, explained."""
        return self._shown(*self._sample(0))

    def target(self, name: str, explanation: Explanation | None) -> tuple[Any, ...]:
        """Another class was chosen: the head alone runs again."""
        if explanation is None:
            raise sentence(ExpiredError())
        try:
            explanation = self.explainer.retarget(explanation, name)
        except DalaError as error:
            raise sentence(error) from None
        return _light(explanation), name, payload(explanation)

    def restore(self, explanation: Explanation | None) -> Image.Image | None:
        """After a file that could not be used: the picture that is still explained."""
        return explanation.picture if explanation else None

    def clear(self) -> tuple[None, None, Any, str]:
        """The picture was removed."""
        return None, None, gr.Radio(choices=[], value=None), ""

    def download(self, explanation: Explanation | None, event: gr.EventData) -> str:
        """What is on screen as one zip, in a data URL: overlays, raw maps, every number."""
        if explanation is None:
            raise sentence(ExpiredError())
        display = {"colours": event.palette, "opacity": event.opacity, "contour": event.contour}
        try:
            written = export.files(explanation, self.explainer, event.rule, event.strength, display)
        except DalaError as error:
            raise sentence(error) from None
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in written.items():
                archive.writestr(name, content)
        return "data:application/zip;base64," + base64.b64encode(stream.getvalue()).decode()

    def _explain_sample(self, index: int) -> tuple[Explanation, dict[str, Any], str]:
        sample = self.samples[index]
        explanation = self.explainer.explain(sample.file)
        scale = f"{sample.um_per_pixel:g} µm per pixel" if sample.um_per_pixel else "scale of this picture unknown"
        return explanation, payload(explanation), " · ".join(filter(None, (scale, sample.origin, sample.licence)))

    def _shown(self, explanation: Explanation, view: dict[str, Any], about: str) -> list[Any]:
        e, expected = explanation, self.explainer.preprocessing.magnification
        ranked = sorted(e.probabilities.items(), key=lambda item: -item[1])
        choices = [(f"{name}  {probability:.3f}", name) for name, probability in ranked]
        resized = "" if e.original_size == e.picture.size else f" · resized from {_size(e.original_size)}"
        run = f"{e.device.upper()} · forward pass {e.seconds:.2f} s · seen at {_size(e.picture.size)}{resized}"
        wanted = f"the weights expect {expected}" if expected else "the weights do not say which scale they expect"
        lines = [_plain(line) for line in (run, f"{about} · {wanted}")]
        return [e.picture, _light(e), gr.Radio(choices=choices, value=e.target), view, "  \n".join(lines)]


def build(demo: gr.Blocks, explainer: Explainer, samples: Sequence[Sample]) -> None:
    """Lay out the tab inside `demo`, the current context, and bind its handlers."""
    tab = Compare(explainer, samples)
    state = gr.State(time_to_live=3600)
    with gr.Row():
        with gr.Column(scale=1, min_width=270, elem_classes="side"):
            patch = gr.Image(
                label="Patch", alt_text="The patch as the network sees it", placeholder="Drop, paste or choose a patch",
                type="filepath", format="png", sources=["upload", "clipboard"], buttons=["fullscreen"],
                elem_classes="patch",
            )  # fmt: skip
            gallery = gr.Gallery(
                [(_thumbnail(s), s.caption) for s in samples], label="Samples", columns=1, allow_preview=False,
                object_fit="cover", height="auto", buttons=[], interactive=False, elem_classes="samples",
            )  # fmt: skip
            classes = gr.Radio(label="Class to explain, with its probability", elem_classes="classes")
            run = gr.Markdown(elem_classes="run")
        with gr.Column(scale=3, min_width=300):
            view = MapView(elem_id="maps")
            with gr.Accordion("How to read the pictures", open=False):
                gr.Markdown(READING)
    archive = gr.Textbox(visible="hidden")
    shown = [patch, state, classes, view, run]
    model: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1, "api_visibility": "private"}
    plumbing: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    model["trigger_mode"] = "always_last"  # "once" would drop a second choice while the first is under way
    patch.upload(tab.upload, patch, shown, preprocess=False, **model).failure(tab.restore, state, patch, **plumbing)
    patch.clear(tab.clear, None, [state, view, classes, run], **plumbing)
    gallery.select(tab.sample, None, shown, **model)
    classes.input(tab.target, [classes, state], [state, classes, view], **model)
    view.download(tab.download, state, archive, **plumbing).then(None, archive, None, js=SAVE)
    demo.load(tab.first, None, shown, **model)


def _thumbnail(sample: Sample) -> Image.Image:
    try:
        picture = images.read(sample.file)
    except images.ImageError as error:
        raise SamplesError(f"{sample.file}: {error}") from error
    picture.thumbnail((240, 160))
    return picture


def _light(explanation: Explanation) -> Explanation:
    """Without what a later choice does not need, and off the GPU: a session may keep it for an hour."""
    e = explanation
    return replace(e, activations=e.activations.cpu(), gradient=e.gradient.new_empty(0))


def _plain(text: str) -> str:
    """Text of a samples file or a config, as text in Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|&~$])", r"\\\1", text)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]} px"
