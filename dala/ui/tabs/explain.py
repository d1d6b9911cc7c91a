"""The tab "Explain": Grad-CAM and DT Grad-CAM side by side, and the threshold between them."""

from typing import Any

import gradio as gr

from dala.errors import DalaError
from dala.explain import export
from dala.ui.alert import alert
from dala.ui.beside import beside
from dala.ui.current import Current, require
from dala.ui.download import SAVE, display, whole
from dala.ui.mapview.view import MapView, payload
from dala.ui.session import PLUMBING, Page
from dala.ui.tabs import glossary

__all__ = ["Explain", "build"]

READING = """
- **Grad-CAM** shows where the feature maps that support a class are strong. It does not show why, and it is not a
  segmentation: one value stands for 32×32 pixels.
- **DT Grad-CAM** is the same map, shown only at or above a threshold τ that is derived from the map itself. The
  threshold changes what is shown, not which position ranks above which.
- Colours run from 0 to the raw maximum next to the colour bar. A faint map looks as bright as a strong one: compare the
  maxima.
- For this network HiResCAM and XGrad-CAM are identical to Grad-CAM, because the head starts with global average pooling
  and the gradient is therefore the same at every position.
- A probability holds for the laboratories of the training pictures. A picture whose stain, sharpness or texture is
  unlike theirs gets a note below its probability: which of two such pictures ranks higher may still be right.
- A probability is the output of this network for this picture, whatever the picture shows. A photo of a cat gets one,
  too, with a warning above it; the warning judges by colours and texture alone whether a picture looks like
  haematoxylin-eosin tissue.
"""


class Explain:
    """Handlers of the tab."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def show(self, current: Current | None) -> dict[str, Any] | None:
        """The value of the map view."""
        if current is None:
            return None
        return payload(current.explanation) | beside(current, self.page.explainer(current))

    def download(self, current: Current | None, event: gr.EventData) -> str:
        """The patch, overlays, masks, a figure, raw maps and every number as a zip in a data URL."""
        try:
            explainer, e = self.page.explainer(require(current)), require(current).explanation
            content = export.files(e, explainer, event.rule, event.strength, display(event))
            return whole(content, e, explainer, (event.rule, event.strength, False), require(current).source.file.name)
        except DalaError as error:
            raise alert(error) from None


def build(page: Page) -> None:
    """Add the tab to the current context of tabs."""
    content = Explain(page)
    with gr.Tab("Explain", id="explain") as tab:
        view = MapView(elem_id="maps")
        with gr.Accordion("How to read the maps", open=False):
            gr.Markdown(READING)
        glossary.build("explain")
        archive = gr.Textbox(visible="hidden")
    page.follow(tab, content.show, [], [view], show_progress="full")
    view.download(content.download, page.current, archive, **PLUMBING).then(None, archive, None, js=SAVE)
