"""Show one of the project's own errors to the visitor."""

from html import escape

import gradio as gr

from dala.errors import DalaError

__all__ = ["alert"]


def alert(error: DalaError) -> gr.Error:
    """Convert an error for the visitor; escaped, because Gradio displays it as HTML."""
    return gr.Error(escape(str(error), quote=False), title="That did not work", duration=12, print_exception=False)
