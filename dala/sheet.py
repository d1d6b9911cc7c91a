"""What a lesson takes home from the threshold lab: its figure, and the data behind it."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from dala import chart, export, lab, threshold, trust
from dala.explain import Explainer
from dala.explanation import Explanation

__all__ = ["files"]


def files(
    explanation: Explanation,
    explainer: Explainer,
    rule: str,
    strengths: Mapping[str, float | None],
    display: Mapping[str, Any] | None = None,
    measured: trust.KeepRemove | None = None,
    scale: str = "probability",
) -> dict[str, bytes]:
    """What `dala.export.files` writes, and `lab.png` with the data behind it as CSV, by name.

    Args:
        explanation: of one method.
        explainer: what made it.
        rule: the one whose threshold is drawn.
        strengths: by rule, as in `dala.lab.side_by_side`.
        display: `colours`, `opacity` and `contour` of the overlays.
        measured: what `dala.trust.keep_remove` found for this map.
        scale: which of `dala.trust.SCALES` the figure draws; the data holds both.
    """
    (method,) = explanation.maps
    rows, seen = lab.side_by_side(explanation, method, strengths, measured), lab.shape(explanation, method)
    overlays = export.pictures(explanation, export.thresholds(explanation, rule, strengths.get(rule)), **display or {})
    drawn = chart.figure(explanation, list(overlays.values()), seen, rows, rule, measured, scale)
    stops = [(name, *stop) for name in threshold.RULES for stop in threshold.table(explanation.heat(method), name)]
    width = seen.top / len(seen.bins)
    written = {
        "lab.png": chart.png(drawn),
        "rules.csv": _csv(asdict(rows[0]), (asdict(row).values() for row in rows)),
        "thresholds.csv": _csv(("rule", "strength", "tau", "kept_area"), stops),
        "histogram.csv": _csv(
            ("from", "to", "share_of_area"),
            [(0, 0, seen.zero), *((i * width, (i + 1) * width, share) for i, share in enumerate(seen.bins))],
        ),
    }
    if measured:
        written["curves.csv"] = _curves(measured)
    more = {"rules": [asdict(row) for row in rows], "keep_remove": asdict(measured) if measured else None}
    return written | export.files(explanation, explainer, rule, strengths.get(rule), display, more)


def _curves(measured: trust.KeepRemove) -> bytes:
    lines = [
        (name, area, *values)
        for name, curve in measured.curves.items()
        for area, *values in zip(measured.areas, *asdict(curve).values(), strict=True)
    ]
    sides = [f"{side}{what}" for what in ("", "_logit", "_margin") for side in ("keep_only", "remove_only")]
    return _csv(("map", "kept_area", *sides), lines)


def _csv(head: Iterable[str], lines: Iterable[Iterable[Any]]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(lines)
    return stream.getvalue().encode()
