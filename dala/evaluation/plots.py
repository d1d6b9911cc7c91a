"""Figures of a model card: each function returns one `Figure`, at most 8 inches wide."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from sklearn.metrics import roc_curve

from dala import files
from dala.evaluation import calibration, metrics
from dala.evaluation.predictions import Predictions
from dala.hub.scores import Figures
from dala.style import ACCENT, GREY, LINE, PALE, TEXT, clean_axes, png

__all__ = ["confusion", "protocols", "reliability", "roc", "save"]

GRID = np.linspace(0, 1, 501)
PANELS = {"auc": "AUC of pictures", "balanced_accuracy": "Balanced accuracy"}


def roc(predictions: Predictions, baseline: Predictions | None = None) -> Figure:
    """Draw the ROC curve of each partition, thin, and their mean; for more than two classes one-vs-rest, macro.

    Args:
        predictions: of the network.
        baseline: of colour alone, drawn in grey.
    """
    figure = _figure(6.4, 6.0)
    axes = _axes(figure)
    axes.plot([0, 1], [0, 1], color=LINE, linewidth=1, linestyle=(0, (2, 3)))
    for run, colour, name in ((baseline, GREY, "colour alone"), (predictions, ACCENT, "network")):
        if run is None:
            continue
        curves = [_curve(part) for part in run.partitions()]
        for curve in curves if len(curves) > 1 else ():
            axes.plot(GRID, curve, color=colour, linewidth=0.8, alpha=0.35)
        auc = np.mean([metrics.report(p.label, p.probabilities(), p.patient).auc for p in run.partitions()])
        # A step at 0 has no width on the grid and would be drawn as a slope.
        x, y = np.r_[0, GRID], np.r_[0, np.mean(curves, axis=0)]
        axes.plot(x, y, color=colour, linewidth=2.6, label=f"{name}, AUC {auc:.3f}")
    last = predictions.class_names[-1]
    several = len(predictions.class_names) > 2
    negatives = "other classes" if several else predictions.class_names[0]
    axes.set_xlabel(f"False positives, % of {negatives}")
    axes.set_ylabel(f"True positives, % of {'the class' if several else last}")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    _percent(axes, "xy")
    axes.legend(loc="lower right", frameon=False, reverse=True)
    return figure


def reliability(before: Predictions, after: Predictions) -> Figure:
    """Draw a reliability diagram over the ten bins of the expected calibration error, with counts below.

    Args:
        before: with logits as they are.
        after: with calibrated logits.
    """
    figure = _figure(6.4, 6.4)
    upper, lower = figure.subplots(2, 1, height_ratios=(3.2, 1), sharex=True)
    low = np.floor(calibration.BINS / len(after.class_names)) / calibration.BINS
    _styled(upper).plot([low, 1], [low, 1], color=LINE, linewidth=1, linestyle=(0, (2, 3)))
    for k, (run, colour, name) in enumerate(((before, GREY, "T = 1"), (after, ACCENT, "temperature scaled"))):
        parts = run.partitions()
        ece = np.mean([calibration.expected_calibration_error(p.label, p.probabilities()) for p in parts])
        confidence, right, count = _bins(run)
        seen = count > 0
        upper.plot(
            confidence[seen], right[seen], "o-", color=colour, linewidth=2, markersize=7, label=f"{name}, ECE {ece:.3f}"
        )
        middles = (np.arange(calibration.BINS) + (0.29, 0.71)[k]) / calibration.BINS
        bars = _styled(lower).bar(middles, count / len(parts), width=0.038, color=colour)
        lower.bar_label(bars, [_count(c / len(parts)) for c in count], fontsize=9, color=TEXT, padding=1)
    upper.set(ylabel="Classified right, %", ylim=(0, 1.03), xlim=(low, 1.005))
    lower.set(ylabel="Pictures", xlabel="Confidence: probability of the predicted class, %")
    lower.margins(y=0.25)
    lower.locator_params(axis="y", nbins=3)
    _percent(upper, "xy")
    upper.legend(loc="lower right", frameon=False, reverse=True)
    return figure


def confusion(counts: Any, class_names: list[str]) -> Figure:
    """Draw a confusion matrix, in per cent of each true class and in counts.

    Args:
        counts: (classes, classes), a row for each true class; means over partitions may be fractions.
        class_names: names of the rows and columns.
    """
    values = np.asarray(counts, float)
    share = values / np.maximum(values.sum(1, keepdims=True), 1e-12)
    side = min(3.4 + 1.2 * len(class_names), 8.0)
    figure = _figure(side, side * 0.86)
    axes = _axes(figure)
    axes.imshow(share, cmap=_shades(), vmin=0, vmax=1)
    size = 17 if len(class_names) < 5 else 9
    for (i, j), v in np.ndenumerate(share):
        ink = "white" if v > 0.55 else TEXT
        axes.text(j, i - 0.04, f"{100 * v:.0f} %", ha="center", va="bottom", fontsize=size, color=ink)
        axes.text(j, i + 0.07, f"{values[i, j]:.{0 if values[i, j] % 1 == 0 else 1}f}", ha="center", va="top",
                  fontsize=size * 0.65, color=ink)  # fmt: skip
    ticks = range(len(class_names))
    names = [name.replace("_", " ") for name in class_names]
    long = max(map(len, names)) * len(names) > 36
    axes.set_xticks(ticks, names, rotation=40 if long else 0, ha="right" if long else "center")
    axes.set_yticks(ticks, names)
    axes.set(xlabel="Predicted class", ylabel="True class (%, and pictures)")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def protocols(rows: dict[str, dict[str, Figures]], classes: int = 2) -> Figure:
    """Draw AUC and balanced accuracy of each classifier under each split, with 95 % intervals.

    Args:
        rows: split -> classifier -> "figures" of `dala.evaluation.summary.summary`; the first classifier is drawn in
            the accent colour, others in grey.
        classes: number of classes, which sets the chance level (dotted line).
    """
    figure = _figure(8, 4.4)
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    colours = [ACCENT, GREY, PALE, LINE]
    width, chance = min(0.8 / len(names), 0.4), {"auc": 0.5, "balanced_accuracy": 1 / classes}
    for panel, (metric, title) in zip(figure.subplots(1, 2, sharey=True), PANELS.items(), strict=True):
        _styled(panel).axhline(chance[metric], color=LINE, linewidth=1, linestyle=(0, (2, 3)))
        for k, name in enumerate(names):
            for place, row in enumerate(rows.values()):
                value, low, high = row.get(name, {}).get(metric, [None] * 3)
                if value is None:
                    continue
                x = place + (k - (len(names) - 1) / 2) * width
                panel.bar(x, value, width * 0.92, color=colours[k % 4])
                if low is not None and high is not None:
                    panel.plot([x, x], [low, high], color="white", linewidth=4)
                    panel.plot([x, x], [low, high], color=TEXT, linewidth=1.6)
                panel.text(x, 0.03, f"{value:.3f}", ha="center", color="white" if k == 0 else TEXT, fontsize=11)
        panel.set_title(title, fontsize=12, color=TEXT, loc="left")
        panel.set_xticks(range(len(rows)), list(rows))
        panel.set(ylim=(0, 1.02), xlim=(-0.55, len(rows) - 0.45))
        panel.tick_params(axis="x", length=0, labelsize=12)
    patches = [Patch(color=colours[k % 4], label=name) for k, name in enumerate(names)]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(names), frameon=False, fontsize=12)
    return figure


def save(figures: dict[str, Figure], folder: Path) -> None:
    """Write each figure as `name.png`; equal data gives equal bytes.

    Raises:
        DiskError: a folder that cannot be written to.
    """
    for name, figure in figures.items():
        files.write(folder / f"{name}.png", png(figure))


def _curve(part: Predictions) -> np.ndarray:
    probabilities = part.probabilities()
    classes = [c for c in range(probabilities.shape[1]) if 0 < (part.label == c).sum() < len(part.label)]
    # Of two classes the last says it all.
    ranked = classes if probabilities.shape[1] > 2 else classes[1:]
    curves = [roc_curve(part.label == c, probabilities[:, c], drop_intermediate=False) for c in ranked]
    if not curves:
        return np.full(len(GRID), np.nan)
    return np.mean([np.interp(GRID, fpr, tpr) for fpr, tpr, _ in curves], axis=0)


def _bins(run: Predictions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean confidence, accuracy and count of each bin, over all partitions."""
    probabilities = run.probabilities()
    confidence, right = probabilities.max(1), probabilities.argmax(1) == run.label
    bins = np.digitize(confidence, np.arange(1, calibration.BINS) / calibration.BINS, right=True)
    count, mean, share = (np.bincount(bins, w, calibration.BINS) for w in (None, confidence, right))
    return mean / np.maximum(count, 1), share / np.maximum(count, 1), count


def _count(value: float) -> str:
    return "" if not value else "<1" if value < 0.5 else f"{value:.0f}"


def _figure(width: float, height: float) -> Figure:
    return Figure((width, height), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))


def _axes(figure: Figure) -> Axes:
    return _styled(figure.subplots())


def _styled(axes: Axes) -> Axes:
    clean_axes(axes, 11)
    axes.xaxis.label.set(size=12, color=TEXT)
    axes.yaxis.label.set(size=12, color=TEXT)
    return axes


def _percent(axes: Axes, which: str) -> None:
    for name in which:
        getattr(axes, f"{name}axis").set_major_formatter(lambda value, _: f"{100 * value:.0f}")


def _shades() -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list("accent", ["#f6f4f1", ACCENT])
