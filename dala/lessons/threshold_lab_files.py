"""The download of the threshold lab: its figure, and the data behind it."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dala.explain import export
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.heatmaps import thresholds
from dala.lessons import threshold_figure, threshold_lab
from dala.style import png
from dala.trust import deletion

__all__ = ["files"]


def files(
    explanation: Explanation,
    explainer: Explainer,
    rule: str,
    strengths: Mapping[str, float | None],
    display: Mapping[str, Any] | None = None,
    measured: deletion.KeepRemove | None = None,
    scale: str = "probability",
) -> dict[str, bytes]:
    """The files of `dala.explain.export.files`, `lab.png`, and the data behind it as CSV.

    Args:
        explanation: of one method.
        explainer: the one that made the explanation.
        rule: the rule whose threshold is drawn.
        strengths: by rule, as in `dala.lessons.threshold_lab.side_by_side`.
        display: `colours`, `opacity` and `look` of the overlays.
        measured: result of `dala.trust.deletion.keep_remove` for this map.
        scale: the one of `dala.trust.deletion.SCALES` that the figure shows; the data holds both.

    Returns:
        Contents by file name.
    """
    (method,) = explanation.maps
    rows, shape = (
        threshold_lab.side_by_side(explanation, method, strengths, measured),
        threshold_lab.shape(explanation, method),
    )
    overlays = export.pictures(explanation, export.thresholds(explanation, rule, strengths.get(rule)), **display or {})
    figure = threshold_figure.figure(explanation, list(overlays.values()), shape, rows, rule, measured, scale)
    content = {"lab.png": png(figure), **_tables(explanation, method, shape, rows)}
    if measured:
        content["curves.csv"] = _curves(measured)
    more = {"rules": [asdict(row) for row in rows], "keep_remove": asdict(measured) if measured else None}
    return content | export.files(explanation, explainer, rule, strengths.get(rule), display, more)


def _tables(
    explanation: Explanation, method: str, shape: threshold_lab.Shape, rows: Sequence[threshold_lab.Row]
) -> dict[str, bytes]:
    """The data of the figure as CSV: the rules, every stop of their controls, and the histogram."""
    stops = [(name, *stop) for name in thresholds.RULES for stop in thresholds.table(explanation.heat(method), name)]
    width = shape.top / len(shape.bins)
    bins = [(i * width, (i + 1) * width, share) for i, share in enumerate(shape.bins)]
    return {
        "rules.csv": _csv(asdict(rows[0]), (asdict(row).values() for row in rows)),
        "thresholds.csv": _csv(("rule", "strength", "tau", "kept_area"), stops),
        "histogram.csv": _csv(("from", "to", "share_of_area"), [(0, 0, shape.zero), *bins]),
    }


def _curves(measured: deletion.KeepRemove) -> bytes:
    lines = [
        (name, area, *values)
        for name, curve in measured.curves.items()
        for area, *values in zip(measured.areas, *asdict(curve).values(), strict=True)
    ]
    sides = [f"{side}{scale}" for scale in ("", "_logit", "_margin") for side in ("keep_only", "remove_only")]
    return _csv(("map", "kept_area", *sides), lines)


def _csv(head: Iterable[str], lines: Iterable[Iterable[Any]]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(lines)
    return stream.getvalue().encode()
