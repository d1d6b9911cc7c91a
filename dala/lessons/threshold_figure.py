"""The figure of the threshold lab: two overlays, and four charts below them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from dala import cam
from dala.explain.explanation import Explanation
from dala.heatmaps import thresholds
from dala.lessons.threshold_lab import Row, Shape
from dala.style import ACCENT, DARK, GREY, MIDDLE, TEXT, clean_axes
from dala.trust import deletion
from dala.trust.deletion import SCALES, KeepRemove
from dala.trust.infill import INFILLS

__all__ = ["figure"]

# Lines of the map, then of the controls. Greys are darker than on the page, since the figure may be printed small.
LINES: tuple[dict[str, Any], ...] = (
    {"color": ACCENT, "linewidth": 2.2, "marker": "o", "markersize": 5},
    {"color": GREY, "linewidth": 1.3, "marker": "s", "markersize": 3, "linestyle": (0, (4, 2))},
    {"color": DARK, "linewidth": 1.3, "marker": "^", "markersize": 3.5, "linestyle": (0, (1, 1.5))},
)


def figure(
    explanation: Explanation,
    overlays: Sequence[Image.Image],
    shape: Shape,
    rows: Sequence[Row],
    rule: str,
    measured: KeepRemove | None = None,
    scale: str = "probability",
) -> Figure:
    """Draw the map and its threshold, the histogram and the kept area over tau, and the output over the kept area.

    Args:
        explanation: of one method.
        overlays: the whole map, and the kept part of it.
        shape, rows: see `dala.lessons.threshold_lab`.
        rule: the rule whose threshold is drawn; one of the rows.
        measured: keep-only and remove-only; without it, two charts say "not measured".
        scale: the one of `dala.trust.deletion.SCALES` that these charts show.
    """
    fig = Figure((10, 10.4), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    pictures, top, below = fig.subplots(3, 2, height_ratios=(1.35, 1, 1))
    row = next(row for row in rows if row.rule == rule)
    (method,) = explanation.maps
    title = cam.METHODS[method].title
    for axes, overlay, name in zip(pictures, overlays, (title, f"DT {title}"), strict=True):
        axes.imshow(overlay)
        axes.set_axis_off()
        axes.set_title(name, loc="left", fontsize=12, color=TEXT)
    _histogram(_styled(top[0], "Histogram of the map"), shape, row.tau)
    _kept(_styled(below[0], "Kept area"), shape, row)
    for axes, name, side in ((top[1], "Only the kept region shown", 0), (below[1], "All but the kept region shown", 1)):
        _output(_styled(axes, name), side, row, explanation, measured, scale)
    below[1].set_xlabel("kept area, %", color=TEXT)
    fig.suptitle(_title(explanation, row, measured), x=0.015, ha="left", fontsize=11, color=DARK, wrap=True)
    if measured:
        handles, labels = top[1].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower right", ncols=len(labels), frameon=False, fontsize=10)
    return fig


def _title(e: Explanation, row: Row, measured: KeepRemove | None) -> str:
    rule = thresholds.RULES[row.rule]
    strength = f", {rule.parameter} = {row.strength:g}" if rule.parameter else ""
    text = f"{e.words()} at {e.layer} · {rule.label}{strength}: τ = {row.tau:.3g}, keeps {100 * row.kept_area:.1f} %"
    if measured is None:
        return text
    return (
        f"{text}\nhidden pixels are replaced by: {INFILLS[measured.baseline].label} · marks are measured, "
        f"lines between them interpolated · outputs of this network, not a diagnosis"
    )


def _histogram(axes: Axes, shape: Shape, tau: float) -> None:
    edges = np.linspace(0, shape.top, len(shape.bins) + 1)
    colours = [ACCENT if low >= tau else MIDDLE for low in edges[:-1]]
    axes.bar(edges[:-1], 100 * np.array(shape.bins), np.diff(edges), align="edge", color=colours)
    axes.axvline(min(max(tau, 0), shape.top), color=TEXT, linewidth=1.4)
    axes.set_ylabel("% of the area, each bin", color=TEXT)
    axes.text(0.98, 0.95, f"{100 * shape.zero:.1f} % of the area is 0", transform=axes.transAxes, ha="right", va="top",
              fontsize=10, color=DARK)  # fmt: skip


def _kept(axes: Axes, shape: Shape, row: Row) -> None:
    tau, area = np.array(shape.kept).T
    axes.plot(tau, 100 * area, color=ACCENT, linewidth=2)
    at = min(max(row.tau, 0), shape.top)
    axes.axvline(at, color=TEXT, linewidth=1.4)
    axes.plot([at], [100 * row.kept_area], "o", color=TEXT, markersize=7)
    axes.set(ylim=(-2, 103))
    axes.set_xlabel("τ, from 0 to the raw maximum", color=TEXT)
    axes.set_ylabel("% of the area", color=TEXT)


def _output(axes: Axes, side: int, row: Row, e: Explanation, measured: KeepRemove | None, scale: str) -> None:
    axes.set(xlim=(-2, 102))
    if measured is None:
        axes.set(ylim=(-0.03, 1.03))
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color=DARK)
        return
    areas = 100 * np.array(measured.areas)
    if scale == "probability":
        axes.set(ylim=(-0.03, 1.03))
    else:
        axes.axhline(0, color=MIDDLE, linewidth=1)
    axes.set_ylabel(f"{SCALES[scale]} of {measured.target}", color=TEXT)
    for style, (name, curve) in reversed(list(zip(LINES, measured.curves.items(), strict=False))):
        label = "this map" if name == measured.method else cam.METHODS[name].title
        axes.plot(areas, curve.pair(scale)[side], label=label, **style)
    axes.axhline(deletion.output(e, scale), color=GREY, linewidth=1, linestyle=(0, (2, 3)), label="whole picture")
    axes.axvline(100 * row.kept_area, color=TEXT, linewidth=1.4)
    axes.plot([100 * row.kept_area], [measured.at(row.kept_area, scale=scale)[side]], "o", color=TEXT, markersize=7)


def _styled(axes: Axes, title: str) -> Axes:
    axes.set_title(title, loc="left", fontsize=12, color=TEXT)
    return clean_axes(axes, 10, GREY)
