"""The model panel: facts about the network that runs, and, if the host allows it, another one from the Hub."""

import os
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from dala import markup
from dala.errors import DalaError
from dala.explain.explainer import Explainer
from dala.ui.alert import alert
from dala.ui.model_cache import HOST
from dala.ui.session import MODEL, PLUMBING, Page

__all__ = ["Model", "build", "choice_allowed", "facts"]

TEMPLATE = Path(__file__).with_suffix(".html")


def choice_allowed() -> bool:
    """Whether visitors may load another network from the Hub.

    `DALA_ALLOW_MODEL_CHOICE` decides, 1 or 0; without it they may if the app listens on this machine only and is not a
    Space.
    """
    setting = os.environ.get("DALA_ALLOW_MODEL_CHOICE")
    if setting is not None:
        return setting == "1"
    local = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1") in ("127.0.0.1", "localhost", "::1")
    return local and "SPACE_ID" not in os.environ


class Model:
    """The panel's handlers."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def load(self, source: str, progress: gr.Progress = gr.Progress()) -> tuple[Any, ...]:  # noqa: B008
        """Load another network for this session; after an error the session keeps its network."""
        try:
            key = self.page.models.add(source.strip(), lambda done, total: progress((done, total), unit="bytes"))
            self.page.models.samples(key)
        except DalaError as error:
            raise alert(error) from None
        return key, table(self.page.models[key]), gr.Button(visible=True), key

    def back(self) -> tuple[Any, ...]:
        """Return to the host's network."""
        return HOST, table(self.page.models.host), gr.Button(visible=False), HOST


def build(page: Page, changed: gr.Textbox) -> None:
    """Lay out the panel in the current context; `changed` receives the key of a network that a visitor chose."""
    panel = Model(page)
    with gr.Accordion("Model", open=False, elem_classes="model"):
        content = gr.HTML(table(page.models.host))
        if not choice_allowed():
            return
        source = gr.Textbox(
            label="Another DALAResNet50 from the Hugging Face Hub", placeholder="user/repo or user/repo@revision",
            max_lines=1, submit_btn="load",
        )  # fmt: skip
        back = gr.Button("back to the first one", visible=False, size="sm")
    outputs = [page.model, content, back, changed]
    source.submit(panel.load, source, outputs, show_progress_on=content, **MODEL)
    back.click(panel.back, None, outputs, **PLUMBING)


def facts(explainer: Explainer) -> dict[str, str]:
    """Return facts about a network, as plain text by label."""
    origin, provenance, size = explainer.origin, explainer.provenance, explainer.preprocessing
    data = " · ".join([str(provenance.get("data", "unknown")), *_counts(provenance)])
    half = getattr(explainer.engine, "half", False)
    return {
        "name": type(explainer.model).__name__,
        "source": origin.source if origin else "set by the program",
        "commit": (origin.revision if origin else None) or "none: a local folder",
        "SHA-256": origin.sha256 if origin else "not loaded from a file",
        "classes": ", ".join(explainer.class_names),
        "trained on": data,
        "expects": f"{size.magnification or 'unknown magnification'}, seen at {size.width}×{size.height} px",
        "runs on": f"{explainer.device.type.upper()}, {'fp16 below the layer explained' if half else 'fp32'}",
    }


def _counts(provenance: dict[str, Any]) -> list[str]:
    """Return numbers of images and patients in a config's provenance, and of images of other sets."""
    also, sets = provenance.get("also"), provenance.get("sources")
    counts = [f"{provenance[k]} {k}" for k in ("images", "patients") if isinstance(provenance.get(k), int)]
    more = [f"{also.get('images')} more at {also.get('magnification')}"] if isinstance(also, dict) else []
    for row in sets[1:] if isinstance(sets, list) else ():
        more += [f"{row.get('images')} more of {row.get('title')}"] if isinstance(row, dict) else []
    return [", ".join(counts)] * bool(counts) + more


def table(explainer: Explainer) -> Markup:
    """Return `facts` as HTML; a config is untrusted, so its text is escaped."""
    return markup.render(TEMPLATE, facts=facts(explainer))
