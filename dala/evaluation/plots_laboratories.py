"""The figure of a model card that sets laboratories held out against patients held out."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from dala.style import ACCENT, GREY, LINE, TEXT, clean_axes, png

__all__ = ["home_outside"]


def home_outside(places: Mapping[str, tuple[float, float]]) -> bytes:
    """Draw each recipe as a point, mean AUC of laboratories held out over AUC of patients held out, as PNG.

    Args:
        places: (home, outside) by title, the published recipe first, which is drawn in the accent colour.
    """
    figure = Figure((8, 4.6), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
    axes = clean_axes(figure.subplots(), 11)
    low = min(0.5, *(v for place in places.values() for v in place)) - 0.03
    axes.plot([low, 1], [low, 1], color=LINE, linewidth=1)
    axes.axhline(0.5, color=LINE, linewidth=1, linestyle=(0, (2, 3)))
    axes.axvline(0.5, color=LINE, linewidth=1, linestyle=(0, (2, 3)))
    for k, (title, (home, outside)) in enumerate(places.items()):
        colour, marker = ACCENT if k == 0 else GREY, "osD^vPX*"[k % 8]
        axes.plot([home], [outside], marker, color=colour, markersize=9, alpha=0.85, label=title)
    axes.set(xlim=(low, 1), ylim=(low, 1), aspect="equal")
    axes.set_xlabel("AUC at home, patients held out", size=12, color=TEXT)
    axes.set_ylabel("mean AUC outside", size=12, color=TEXT)
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    return png(figure)
