"""The words of a tab, each with its sentence: a list to be opened by keyboard, mouse or touch, not by hovering."""

from html import escape

import gradio as gr

from dala import terms
from dala.cam import METHODS

__all__ = ["build", "of"]

GRAD_CAM = METHODS["grad_cam"].title


def of(tab: str) -> dict[str, str]:
    """The terms that a tab uses, by its id, in the order in which a learner meets them."""
    methods = terms.methods()
    first = {GRAD_CAM: methods[GRAD_CAM]}
    said = {term: terms.PICTURE[term] for term in ("logit", "probability")}
    groups = {
        "explain": terms.PICTURE | first | terms.MAP | terms.RULES,
        "lab": terms.MAP | terms.RULES | terms.TRUST | said | terms.BASELINES | methods,
        "compare": terms.MAP | terms.RULES | terms.AGREEMENT | methods,
        "steps": first | terms.NETWORK | terms.MAP | terms.RULES,
        "trust": terms.MAP | terms.TRUST | terms.CHECKS | terms.AGREEMENT | methods,
        "results": terms.RESULTS | terms.PICTURE,
    }
    return groups[tab]


def build(tab: str) -> None:
    """The list, in the current context of a tab."""
    # Titles of a host's own methods are text, too.
    lines = "".join(f"<dt>{escape(term)}</dt><dd>{escape(sentence)}</dd>" for term, sentence in of(tab).items())
    with gr.Accordion("Words", open=False, elem_classes="words-of"):
        gr.HTML(f"<dl class='terms'>{lines}</dl>")
