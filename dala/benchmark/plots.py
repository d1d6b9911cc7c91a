"""Figures of the benchmark's report, as PNG files."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from dala import cam
from dala.benchmark.conclusions import TRUTHS
from dala.evaluation import plots
from dala.heatmaps import thresholds
from dala.hub.study import GroundTruth, Study
from dala.style import ACCENT, GREY, LINE, TEXT, clean_axes
from dala.trust.deletion import CONTROLS

__all__ = ["draw"]


def draw(report: Study, folder: Path) -> dict[str, str]:
    """Write the figures, and return their file names with their alternative texts, in order.

    Raises:
        DiskError: a folder that cannot be written to.
    """
    truths = report["truths"]
    masked = {n: t for n, t in truths.items() if t.get("localisation")}
    figures = {
        "explanations_localisation": (_localisation(masked), "Pixel AUC of every method, with the ceiling of the grid"),
        "explanations_thresholds": (_gains(masked), "IoU gained by a threshold computed for each picture"),
        "explanations_weights": (
            _weights({n: t for n, t in truths.items() if t.get("sanity")}),
            "Rank correlation with weights randomized step by step",
        ),
    }
    plots.save({name: figure for name, (figure, _) in figures.items()}, folder)
    return {f"{name}.png": alt for name, (_, alt) in figures.items()}


def _localisation(truths: dict[str, GroundTruth]) -> Figure:
    figure, panels = _figure(len(truths), 4.6)
    for axes, (name, truth) in zip(panels, truths.items(), strict=True):
        rows = truth["localisation"]
        methods = [m for m in rows if m in cam.METHODS][::-1]
        _dots(axes, [(cam.METHODS[m].title, rows[m]["auc"], GREY if m in CONTROLS else ACCENT) for m in methods])
        axes.axvline(rows["ceiling"]["auc"][0], color=TEXT, linewidth=1, linestyle=(0, (4, 2)))
        axes.axvline(0.5, color=LINE, linewidth=1, linestyle=(0, (2, 3)))
        axes.set_title(TRUTHS[name], loc="left", fontsize=11, color=TEXT)
        axes.set_xlabel("AUC of pixels; dotted: chance, dashed: the grid's ceiling", color=TEXT)
    return figure


def _gains(truths: dict[str, GroundTruth]) -> Figure:
    figure, panels = _figure(len(truths), 2.6)
    for axes, (name, truth) in zip(panels, truths.items(), strict=True):
        rules = [(rule.label, truth["thresholds"][key]["gain"], ACCENT) for key, rule in thresholds.RULES.items()]
        _dots(axes, rules[::-1])
        axes.axvline(0, color=LINE, linewidth=1)
        axes.set_title(TRUTHS[name], loc="left", fontsize=11, color=TEXT)
        axes.set_xlabel("IoU gained over one τ for all pictures", color=TEXT)
    return figure


def _weights(truths: dict[str, GroundTruth]) -> Figure:
    figure, panels = _figure(len(truths), 3.8)
    for axes, (name, truth) in zip(panels, truths.items(), strict=True):
        rows = truth["sanity"]
        stages = list(next(iter(rows.values()))["steps"])
        same: dict[tuple[float, ...], list[str]] = {}
        for method, row in rows.items():
            same.setdefault(tuple(round(v, 2) for v in row["steps"].values()), []).append(method)
        for values, methods in same.items():
            axes.plot([1.0, *values], label=" = ".join(cam.METHODS[m].title for m in methods), **_line(methods[0]))
        limit = float(np.mean([row["limit"] for row in rows.values()]))
        axes.axhline(limit, color=TEXT, linewidth=1, linestyle=(0, (2, 3)))
        axes.set_xticks(range(len(stages) + 1), ["none", *stages], rotation=40, ha="right")
        axes.set_title(TRUTHS[name], loc="left", fontsize=11, color=TEXT)
        axes.set_xlabel("random from the head down to", color=TEXT)
    panels[0].set_ylabel("rank correlation with the map", color=TEXT)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def _dots(axes: Axes, rows: list[tuple[str, list[float], str]]) -> None:
    for y, (_, (value, low, high), colour) in enumerate(rows):
        axes.plot([low, high], [y, y], color=colour, linewidth=2, alpha=0.5)
        axes.plot([value], [y], "o", color=colour, markersize=6)
    axes.set_yticks(range(len(rows)), [label for label, _, _ in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)


def _figure(columns: int, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure((4.8 * columns, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08))
    panels = list(np.atleast_1d(figure.subplots(1, columns, sharey=True)))
    for axes in panels:
        clean_axes(axes, 9)
    return figure, panels


def _line(method: str) -> dict[str, Any]:
    """Return the line style of a method, equal in every panel."""
    if method in CONTROLS:
        return {"color": LINE, "linewidth": 1.6, "linestyle": (0, (3, 2))}
    place = [m for m in cam.METHODS if m not in CONTROLS].index(method)
    marker = "osD^vPX"[place % 7]
    return {"color": colormaps["tab10"](place % 10), "linewidth": 1.6, "marker": marker, "markersize": 5, "alpha": 0.85}
