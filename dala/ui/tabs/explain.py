"""The first tab: Grad-CAM and DT Grad-CAM side by side, and the threshold between them."""

from typing import Any

import gradio as gr

from dala.errors import DalaError
from dala.ui.download import SAVE, explanation
from dala.ui.mapview.view import MapView, payload
from dala.ui.session import PLUMBING, Page, Seen, held, sentence
from dala.ui.tabs import glossary

__all__ = ["Explain", "build"]

READING = """
- **Grad-CAM** shows where the feature maps that speak for a class are strong. It does not say why, and it is no
  segmentation: one value stands for 32×32 pixels.
- **DT Grad-CAM** is the same map from a threshold τ on that is taken from the map itself. It changes what is shown, not
  which place ranks above which.
- Colours run from 0 to the raw maximum beside the bar. A faint map looks as bright as a strong one: compare the maxima.
- Here HiResCAM and XGrad-CAM would give this very Grad-CAM, because the head pools globally first and the gradient is
  the same at every position.
- A probability is this network's on this picture, whatever the picture shows. A cat gets one too, and a
  warning above it: what does not look like haematoxylin-eosin is told apart by its colours and texture alone.
"""


class Explain:
    """The tab's handlers."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def show(self, seen: Seen | None) -> dict[str, Any] | None:
        """What the map view draws."""
        return payload(seen.explanation) if seen else None

    def download(self, seen: Seen | None, event: gr.EventData) -> str:
        """What is on screen as one zip, in a data URL: overlays, raw maps, every number."""
        try:
            return explanation(held(seen).explanation, self.page.explainer(held(seen)), event)
        except DalaError as error:
            raise sentence(error) from None


def build(page: Page) -> None:
    """The tab, in the current context of tabs."""
    content = Explain(page)
    with gr.Tab("Explain", id="explain") as tab:
        view = MapView(elem_id="maps")
        with gr.Accordion("How to read the pictures", open=False):
            gr.Markdown(READING)
        glossary.build("explain")
        archive = gr.Textbox(visible="hidden")
    page.follow(tab, content.show, [], [view], show_progress="full")
    view.download(content.download, page.seen, archive, **PLUMBING).then(None, archive, None, js=SAVE)
