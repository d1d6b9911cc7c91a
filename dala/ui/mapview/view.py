"""The map view: heat maps over a picture, drawn in the browser, where a threshold moves without a request.

Python sends the picture, the raw maps and, for every rule, the whole table of thresholds; the scripts upsample, colour
and compare. They hold no rule and no statistics: those are in `dala.heatmaps.thresholds` alone.

The scripts share one global, `dala`, to which each file adds one entry of its own name. Gradio puts them into the
page's head once, whatever the number of map views.
"""

import base64
import json
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr
from torch import Tensor

from dala import cam
from dala.explain.explanation import Explanation
from dala.heatmaps import looks, render, thresholds
from dala.ui.server.pictures import address, stored

__all__ = ["MapView", "comparison", "payload", "stages"]

_HERE = Path(__file__).parent
SCRIPTS = ("address.js", "pixels.js", "looks.js", "mapview.js", "frame.js", "wipe.js", "start.js")
CHARTS = ("plot.js", "charts.js", "measure.js")  # of the threshold lab
TRIGGERS = ("download", "measure", "stop")
_numbers = count()
_payloads: WeakKeyDictionary[Explanation, dict[str, Any]] = WeakKeyDictionary()


class MapView(gr.HTML):
    """The component; its value is what `payload`, `comparison` or `stages` returns, or None.

    Event: `download`, with the settings on screen.

    Args:
        together: panels are compared: one switch thresholds them all, and two can be laid over each other.
        charts: settings of the threshold lab's charts under the maps, see `dala.ui.tabs.threshold_lab`; events
            `measure` and `stop`.
        kwargs: of `gr.HTML`.
    """

    def __init__(self, together: bool = False, charts: dict[str, Any] | None = None, **kwargs: Any) -> None:
        # Gradio reads every argument back from the component, and would find one of its own functions by these names.
        self.together, self.charts = together, charts
        settings = json.dumps(_settings() | {"together": together, "charts": charts})
        super().__init__(
            html_template=_text("mapview.html"),
            css_template="\n".join(_text(f"{name}.css") for name in ("mapview", *(("charts",) if charts else ()))),
            head="".join(f"<script>\n{_text(name)}</script>" for name in (*SCRIPTS, *(CHARTS if charts else ()))),
            # Not as props: an update that comes before a tab is first opened would displace them.
            # Gradio takes for an event what stands here in quotes.
            js_on_load=f"// {json.dumps(TRIGGERS)}\ndala.start({{element, props, trigger, watch}}, {settings});",
            elem_classes="map-view",
            **kwargs,
        )

    def api_info(self) -> dict[str, Any]:
        """JSON schema of the value."""
        return {"type": "object"}


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _settings() -> dict[str, Any]:
    """Settings that every map view shares, and a number that keeps its elements' names apart from another's."""
    return {
        "rules": {
            name: {key: getattr(rule, key) for key in ("label", "parameter", "meaning", "low", "high", "step")}
            | {"start": _start(rule)}
            for name, rule in thresholds.RULES.items()
        },
        "palettes": {name: base64.b64encode(render.palette(name).tobytes()).decode() for name in render.PALETTES},
        "start_rule": thresholds.DEFAULT_RULE,
        "looks": {
            name: {"title": look.title, "opacity": round(100 * look.opacity)} for name, look in looks.LOOKS.items()
        },
        "start_look": looks.DEFAULT_LOOK,
        "light": {"grey": looks.GREY, "dim": looks.DIM, "luma": looks.LUMA, "line": looks.LINE},
        "uid": next(_numbers),
    }


def payload(explanation: Explanation) -> dict[str, Any]:
    """What the browser needs to draw the methods of an explanation, each plain and dynamically thresholded, at any
    threshold. Cached by explanation.
    """
    stored(explanation.picture)  # its file may have been deleted since
    if explanation not in _payloads:
        _payloads[explanation] = _payload(explanation)
    return _payloads[explanation]


def comparison(explanation: Explanation) -> dict[str, Any]:
    """Like `payload`, with one panel for every group of methods whose maps coincide, and the reason where they do."""
    groups = explanation.coinciding()
    titles = [[cam.METHODS[name].title for name in group] for group in groups]
    return {
        **_base(explanation, [group[0] for group in groups]),
        "panels": [
            {"title": " = ".join(names), "note": explanation.coincidence() if len(names) > 1 else "", "map": i}
            for i, names in enumerate(titles)
        ],
    }


def stages(explanation: Explanation) -> dict[str, Any]:
    """Like `payload`, but the stages of the first method alone: its map as cells, enlarged, dynamically thresholded."""
    value = payload(explanation)
    first, title = value["maps"][0], value["panels"][0]["title"]
    down, across = first["grid"]
    return value | {
        "maps": [first | {"cells": True}, first],
        "panels": [
            {"title": f"{title}, {across}×{down} cells", "map": 0, "kept": False},
            {"title": "enlarged, bilinear", "map": 1, "kept": False},
            {"title": f"DT {title}", "map": 1, "kept": True},
        ],
    }


def _payload(explanation: Explanation) -> dict[str, Any]:
    names = list(explanation.maps)
    return {
        **_base(explanation, names),
        "panels": [
            {"title": prefix + cam.METHODS[name].title, "map": i, "kept": kept}
            for i, name in enumerate(names)
            for prefix, kept in (("", False), ("DT ", True))
        ],
    }


def _base(explanation: Explanation, names: Sequence[str]) -> dict[str, Any]:
    return {
        "picture": address(stored(explanation.picture)),
        "words": explanation.words(),
        "evidence": explanation.evidence,
        "layer": explanation.layer,
        "maps": [
            {"title": cam.METHODS[name].title, **_map(explanation.maps[name], explanation.heat(name))} for name in names
        ],
    }


def _map(raw: Tensor, heat: Tensor) -> dict[str, Any]:
    return {
        "raw": base64.b64encode(raw.numpy().astype("<f4").tobytes()).decode(),
        "grid": list(raw.shape),
        "max": float(raw.max()),
        "place": render.place(heat),
        "tables": {rule: [_row(*row) for row in thresholds.table(heat, rule)] for rule in thresholds.RULES},
    }


def _row(strength: float, tau: float, area: float) -> list[float]:
    """A row of a table with as many digits as tell two values of float32 apart."""
    return [round(strength, 6), float(f"{tau:.9g}"), round(area, 6)]


def _start(rule: thresholds.Rule) -> int:
    """Position of the slider at the rule's default strength."""
    return min(range(len(rule.strengths())), key=lambda i: abs(rule.strengths()[i] - rule.default))
