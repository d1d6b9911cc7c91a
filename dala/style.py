"""Colours and conventions shared by all matplotlib figures."""

import io

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["ACCENT", "DARK", "DPI", "GREY", "LINE", "MIDDLE", "PALE", "TEXT", "clean_axes", "png"]

# Accent and text of the page's theme; then greys from dark to light.
ACCENT, TEXT = "#0f766e", "#22201d"
DARK, GREY, LINE, MIDDLE, PALE = "#5f5a53", "#8a847b", "#b0aaa0", "#c9c3b9", "#d9d4cc"
DPI = 150


def clean_axes(axes: Axes, size: float, line: str = LINE) -> Axes:
    """Remove the upper and right spine and colour the rest.

    Args:
        axes: changed in place and returned.
        size: font size of the tick labels, in points.
        line: colour of spines and ticks.
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(line)
    axes.tick_params(labelsize=size, colors=TEXT, color=line)
    return axes


def png(figure: Figure) -> bytes:
    """Encode a figure as PNG on white; equal figures give equal bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    return stream.getvalue()
