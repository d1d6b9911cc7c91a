"""The words of a tab, each with its sentence: a list to be opened by keyboard, mouse or touch, not by hovering."""

from html import escape

import gradio as gr

from dala.cam import METHODS
from dala.lessons import glossary

__all__ = ["build", "of"]

GRAD_CAM = METHODS["grad_cam"].title


def of(tab: str) -> dict[str, str]:
    """The terms that a tab uses, by its id, in the order in which a learner meets them."""
    methods = glossary.methods()
    first = {GRAD_CAM: methods[GRAD_CAM]}
    said = {term: glossary.PICTURE[term] for term in ("logit", "probability")}
    groups = {
        "explain": glossary.PICTURE | first | glossary.MAP | glossary.RULES,
        "lab": glossary.MAP | glossary.RULES | glossary.TRUST | said | glossary.BASELINES | methods,
        "compare": glossary.MAP | glossary.RULES | glossary.AGREEMENT | methods,
        "steps": first | glossary.NETWORK | glossary.MAP | glossary.RULES,
        "trust": glossary.MAP | glossary.TRUST | glossary.CHECKS | glossary.AGREEMENT | methods,
        "results": glossary.RESULTS | glossary.PICTURE,
    }
    return groups[tab]


def build(tab: str) -> None:
    """The list, in the current context of a tab."""
    # Titles of a host's own methods are text, too.
    lines = "".join(f"<dt>{escape(term)}</dt><dd>{escape(sentence)}</dd>" for term, sentence in of(tab).items())
    with gr.Accordion("Words", open=False, elem_classes="words-of"):
        gr.HTML(f"<dl class='terms'>{lines}</dl>")
