"""The map view: maps over a picture, drawn in the browser. A threshold moves there without a request.

Python sends the picture, the raw maps and, for every rule, the whole table of thresholds; the script upsamples, colours
and compares. It holds no rule and no statistics, so `dala.heatmaps.thresholds` stays the one truth.
"""

import base64
import io
import json
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, finalize

import gradio as gr
from PIL import Image
from torch import Tensor

from dala import cam
from dala.explain.explanation import Explanation
from dala.heatmaps import render, thresholds

__all__ = ["MapView", "comparison", "payload", "stages"]

_HERE = Path(__file__).parent
SCRIPTS = ("mapview.js", "wipe.js", "start.js")
_numbers = count()
_pictures: dict[int, str] = {}  # by identity, as long as the picture lives
_sent: WeakKeyDictionary[Explanation, dict[str, Any]] = WeakKeyDictionary()


class MapView(gr.HTML):
    """The component; its value is what `payload`, `comparison` or `stages` returns, or None.

    Event: `download`, with what the visitor chose.

    Args:
        together: panels are there to be compared: one switch thresholds them all, and two can be wiped.
        charts: the threshold lab's charts under the maps, as `dala.ui.tabs.threshold_lab` sets them; events `measure` and `stop`.
        kwargs: of `gr.HTML`.
    """

    def __init__(self, together: bool = False, charts: dict[str, Any] | None = None, **kwargs: Any) -> None:
        # Gradio reads every argument back from the component, and would find one of its own functions by these names.
        self.together, self.charts = together, charts
        settings = {
            "together": together,
            "charts": charts,
            "rules": {
                name: {
                    "label": r.label,
                    "parameter": r.parameter,
                    "meaning": r.meaning,
                    "start": _start(r),
                    "low": r.low,
                    "high": r.high,
                    "step": r.step,
                }
                for name, r in thresholds.RULES.items()
            },
            "palettes": {name: base64.b64encode(render.palette(name).tobytes()).decode() for name in render.PALETTES},
            "start_rule": thresholds.DEFAULT_RULE,
            "opacity": round(100 * render.DEFAULT_OPACITY),
            "uid": next(_numbers),
        }
        scripts = [_text(name) for name in (*SCRIPTS, *(("plot.js", "charts.js") if charts else ()))]
        super().__init__(
            html_template=_text("mapview.html"),
            css_template="\n".join(_text(f"{name}.css") for name in ("mapview", *(("charts",) if charts else ()))),
            # Not as props: an update that comes before a tab is first opened would displace them.
            js_on_load="\n".join([f"const SETTINGS = {json.dumps(settings)};", *scripts]),
            **kwargs,
        )

    def api_info(self) -> dict[str, Any]:
        """What travels: an object."""
        return {"type": "object"}


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def payload(explanation: Explanation) -> dict[str, Any]:
    """All that the browser needs to draw the methods of an explanation, each plain and dynamically thresholded, at any
    threshold; made once an explanation.
    """
    if explanation not in _sent:
        _sent[explanation] = _payload(explanation)
    return _sent[explanation]


def comparison(explanation: Explanation) -> dict[str, Any]:
    """As `payload`, with one panel for every group of methods whose maps coincide, and the reason where they do."""
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
    """As `payload`, but the way of the first method alone: the map's own cells, enlarged, dynamically thresholded."""
    sent = payload(explanation)
    first, title = sent["maps"][0], sent["panels"][0]["title"]
    down, across = first["grid"]
    return sent | {
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
        "picture": _encoded(explanation.picture),
        "words": explanation.words(),
        "layer": explanation.layer,
        "maps": [
            {"title": cam.METHODS[name].title, **_map(explanation.maps[name], explanation.heat(name))} for name in names
        ],
    }


def _encoded(picture: Image.Image) -> str:
    """A picture as PNG in a data URL: once for all the classes, methods and layers that explain it."""
    key = id(picture)
    if key not in _pictures:
        stream = io.BytesIO()
        picture.save(stream, "PNG", compress_level=1)
        _pictures[key] = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
        finalize(picture, _pictures.pop, key, None)
    return _pictures[key]


def _map(raw: Tensor, heat: Tensor) -> dict[str, Any]:
    return {
        "raw": base64.b64encode(raw.numpy().astype("<f4").tobytes()).decode(),
        "grid": list(raw.shape),
        "max": float(raw.max()),
        "place": render.place(heat),
        "tables": {rule: thresholds.table(heat, rule) for rule in thresholds.RULES},
    }


def _start(rule: thresholds.Rule) -> int:
    return min(range(len(rule.strengths())), key=lambda i: abs(rule.strengths()[i] - rule.default))
