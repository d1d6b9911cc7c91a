"""The tab "How good is it?": the report, the benchmark and the card that come with the weights."""

import json
import re
from contextlib import suppress

import gradio as gr

from dala.explain.explainer import Explainer
from dala.hub.cache import HubError
from dala.hub.layout import CARD, LABORATORIES, REPORT, SHIFT, STUDY, TISSUE
from dala.images import tissue
from dala.publishing import card_text
from dala.ui.current import Current
from dala.ui.download import SAVE, data_url
from dala.ui.model_cache import HOST
from dala.ui.session import PLUMBING, Page
from dala.ui.tabs import glossary, results_benchmark, results_maps, results_shift, results_tissue
from dala.ui.tabs.results_report import MOST_BYTES, NOTHING, page_of, plots, read

__all__ = ["NOTHING", "Results", "build", "card_of", "files", "page_of", "read"]


class Results:
    """Handlers of the tab."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def show(self, current: Current | None) -> tuple[str, ...]:
        """The session's network: report, benchmark, maps on tissue, rates of the check of tissue, check of
        laboratories; the card of the host's.
        """
        key = current.model if current else HOST
        explainer = self.page.models[key]
        study, maps, shift = (part.page(explainer) for part in (results_benchmark, results_maps, results_shift))
        return page_of(explainer), study, maps, results_tissue.page(), shift, card_of(explainer) if key == HOST else ""

    def download(self, current: Current | None) -> str:
        """The figures and the data behind them: a zip in a data URL."""
        return data_url(files(self.page.models[current.model if current else HOST]), "how_good_is_it.zip")


def files(explainer: Explainer) -> dict[str, bytes]:
    """The download, by file name: report, figures, benchmark, maps on tissue, laboratories, rates of both checks."""
    result, content = read(explainer), {"tissue.json": tissue.FILE.read_bytes()}
    if result:
        report, folder = result
        content[REPORT] = json.dumps(report, indent=2).encode()
        content |= {file.name: file.read_bytes() for file in plots(folder).values()}
    for name in (STUDY, TISSUE, LABORATORIES, SHIFT):
        with suppress(HubError):
            file = explainer.origin.beside(name, most=MOST_BYTES) if explainer.origin else None
            content |= {name: file.read_bytes()} if file else {}
    return content


def card_of(explainer: Explainer) -> str:
    """The model card of the host's weights, without metadata and images; empty if there is none.

    Never call it for weights that a visitor chose: their card may contain anything.
    """
    file = explainer.origin.folder / CARD if explainer.origin else None
    if file is None or not file.is_file():
        return ""
    text = re.sub(r"\A---\n.*?\n---\n", "", file.read_text(encoding="utf-8", errors="replace"), flags=re.S)
    # Images by HTML and by reference, too: the server of a linked image would learn of every visitor.
    text = re.sub(r"!\[[^\]]*\](\([^)]*\)|\[[^\]]*\])?\n*", "", text)
    return re.sub(r"<(img|picture|source|video|audio|track|image)\b[^>]*>", "", text, flags=re.I)


def build(page: Page) -> None:
    """The tab, in the current context of tabs."""
    with gr.Tab("How good is it?", id="results") as tab:
        # Filled when the tab is opened: it is as large as the rest of the page.
        report = gr.HTML(elem_classes="results")
        gr.Markdown(card_text.LIMITS, elem_classes="card-text")
        study, maps, rates, shift = (gr.HTML(elem_classes="results") for _ in range(4))
        with gr.Accordion("Card of these weights", open=read(page.models.host) is None):
            card = gr.Markdown(elem_classes="card card-text")
        glossary.build("results")
        save, archive = gr.Button("Download", size="sm", elem_classes="quiet-button"), gr.Textbox(visible="hidden")
    page.follow(tab, Results(page).show, [], [report, study, maps, rates, shift, card])
    save.click(Results(page).download, page.current, archive, **PLUMBING).then(None, archive, None, js=SAVE)
