"""The column that stays beside every tab: the patch, the samples, the class that is explained."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import gradio as gr
from PIL import Image

from dala import images
from dala.errors import DalaError
from dala.samples import Sample, SamplesError
from dala.ui.session import MODEL, PLUMBING, ExpiredError, Page, Seen, held, sentence
from dala.ui.uploads import uploaded_file

__all__ = ["Patch", "build"]


class Patch:
    """The column's handlers: thin, each from what the browser sent to what its components show."""

    def __init__(self, page: Page, samples: Sequence[Sample]) -> None:
        self.page, self.samples = page, samples
        # Samples are the same for everybody: explained once, not once a visitor.
        self._sample = lru_cache(maxsize=32)(self._explain_sample)

    def upload(self, value: Any, model: str) -> list[Any]:
        """A picture was dropped, pasted or chosen: explain the predicted class."""
        try:
            file = uploaded_file(value)
            explanation = self.page.shelf[model].explain(file)
        except DalaError as error:
            raise sentence(error) from None
        return self._shown(Seen.of(explanation, file, "scale of this picture unknown", model))

    def sample(self, model: str, event: gr.SelectData) -> list[Any]:
        """A sample was clicked."""
        return self._chosen(int(event.index), model)

    def first(self, model: str) -> list[Any]:
        """The page was opened: the first sample, explained."""
        return self._chosen(0, model)

    def target(self, name: str, seen: Seen | None) -> tuple[Any, ...]:
        """Another class was chosen: the head alone runs again."""
        try:
            seen = held(seen)
            explanation = self.page.explainer(seen).retarget(seen.explanation, name)
        except DalaError as error:
            raise sentence(error) from None
        seen = Seen.of(explanation, seen.file, seen.about, seen.model)
        return seen, name, seen.serial

    def again(self, seen: Seen | None, model: str) -> list[Any]:
        """Another network was chosen: it explains the picture that is there."""
        if seen is None:
            return [gr.skip()] * 5
        if not seen.file.is_file():
            raise sentence(ExpiredError())
        try:
            explanation = self.page.shelf[model].explain(seen.file)
        except DalaError as error:
            raise sentence(error) from None
        return self._shown(Seen.of(explanation, seen.file, seen.about, model))

    def restore(self, seen: Seen | None) -> Image.Image | None:
        """After a file that could not be used: the picture that is still explained."""
        return seen.explanation.picture if seen else None

    def clear(self) -> tuple[Any, ...]:
        """The picture was removed."""
        return None, gr.Radio(choices=[], value=None), "", "nothing"

    def _chosen(self, index: int, model: str) -> list[Any]:
        try:
            return self._shown(self._sample(index, model))
        except DalaError as error:
            raise sentence(error) from None

    def _explain_sample(self, index: int, model: str) -> Seen:
        sample = self.samples[index]
        scale = f"{sample.um_per_pixel:g} µm per pixel" if sample.um_per_pixel else "scale of this picture unknown"
        about = " · ".join(filter(None, (scale, sample.origin, sample.licence)))
        return Seen.of(self.page.shelf[model].explain(sample.file), sample.file, about, model)

    def _shown(self, seen: Seen) -> list[Any]:
        e, expected = seen.explanation, self.page.explainer(seen).preprocessing.magnification
        ranked = sorted(e.probabilities.items(), key=lambda item: -item[1])
        choices = [(f"{name}  {probability:.3f}", name) for name, probability in ranked]
        resized = "" if e.original_size == e.picture.size else f" · resized from {_size(e.original_size)}"
        run = f"{e.device.upper()} · forward pass {e.seconds:.2f} s · seen at {_size(e.picture.size)}{resized}"
        wanted = f"the weights expect {expected}" if expected else "the weights do not say which scale they expect"
        lines = [_plain(line) for line in (run, f"{seen.about} · {wanted}")]
        return [e.picture, seen, gr.Radio(choices=choices, value=e.target), "  \n".join(lines), seen.serial]


def build(page: Page, demo: gr.Blocks, samples: Sequence[Sample], changed: gr.Textbox) -> Patch:
    """Lay out the column in the current context and bind its handlers; `changed` tells of another network."""
    column = Patch(page, samples)
    patch = gr.Image(
        label="Patch", alt_text="The patch as the network sees it", placeholder="Drop, paste or choose a patch",
        type="filepath", format="png", sources=["upload", "clipboard"], buttons=["fullscreen"], elem_classes="patch",
    )  # fmt: skip
    gallery = gr.Gallery(
        [(_thumbnail(s), s.caption) for s in samples], label="Samples", columns=1, allow_preview=False,
        object_fit="cover", height="auto", buttons=[], interactive=False, elem_classes="samples",
    )  # fmt: skip
    classes = gr.Radio(label="Class to explain, with its probability", elem_classes="classes")
    run = gr.Markdown(elem_classes="run")
    shown = [patch, page.seen, classes, run, page.serial]
    patch.upload(column.upload, [patch, page.model], shown, preprocess=False, **MODEL).failure(
        column.restore, page.seen, patch, **PLUMBING
    )
    patch.clear(column.clear, None, [page.seen, classes, run, page.serial], **PLUMBING)
    gallery.select(column.sample, page.model, shown, **MODEL)
    classes.input(column.target, [classes, page.seen], [page.seen, classes, page.serial], **MODEL)
    changed.change(column.again, [page.seen, page.model], shown, **MODEL)
    demo.load(column.first, page.model, shown, **MODEL)
    return column


def _thumbnail(sample: Sample) -> Image.Image:
    try:
        picture = images.read(sample.file)
    except images.ImageError as error:
        raise SamplesError(f"{sample.file}: {error}") from error
    picture.thumbnail((240, 160))
    return picture


def _plain(text: str) -> str:
    """Text of a samples file or a config, as text in Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|&~$])", r"\\\1", text)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]} px"
