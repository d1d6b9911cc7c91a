"""The glossary of each tab: a list that opens by keyboard, mouse or touch, not by hovering."""

from pathlib import Path

import gradio as gr

from dala import cam, markup
from dala.lessons import glossary

__all__ = ["build", "of"]

TEMPLATE = Path(__file__).with_name("words.html")


def of(tab: str) -> dict[str, str]:
    """The terms that a tab uses, in the order in which a learner meets them.

    Args:
        tab: the tab's id.
    """
    methods = glossary.methods()
    title = cam.METHODS[cam.DEFAULT_METHOD].title
    default = {title: methods[title]}
    outputs = {term: glossary.PICTURE[term] for term in ("logit", "probability")}
    groups = {
        "explain": glossary.PICTURE | default | glossary.MAP | glossary.RULES,
        "lab": glossary.MAP | glossary.RULES | glossary.TRUST | outputs | glossary.INFILLS | methods,
        "compare": glossary.MAP | glossary.RULES | glossary.AGREEMENT | methods,
        "steps": default | glossary.NETWORK | glossary.MAP | glossary.RULES,
        "trust": glossary.MAP | glossary.TRUST | glossary.CHECKS | glossary.AGREEMENT | methods,
        "results": glossary.RESULTS | glossary.PICTURE,
    }
    return groups[tab]


def build(tab: str) -> None:
    """Add the list to the current context."""
    with gr.Accordion("Glossary", open=False, elem_classes="words-of"):
        gr.HTML(markup.render(TEMPLATE, terms=of(tab).items()))
