"""The map view: maps over a picture, drawn in the browser. A threshold moves there without a request.

Python sends the picture, the raw maps and, for every rule, the whole table of thresholds; the script upsamples, colours
and compares. It holds no rule and no statistics, so `dala.threshold` stays the one truth.
"""

import base64
import io
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr
from torch import Tensor

from dala import cam, render, threshold
from dala.explanation import Explanation

__all__ = ["MapView", "payload"]

_HERE = Path(__file__).parent
_numbers = count()
_sent: WeakKeyDictionary[Explanation, dict[str, Any]] = WeakKeyDictionary()


class MapView(gr.HTML):
    """The component; its value is what `payload` returns, or None. Event: `download`, with what the visitor chose.

    Args:
        charts: with the threshold lab's charts under the maps; events `measure` and `stop`. See `dala.ui.lab`.
    """

    def __init__(self, charts: bool = False, **kwargs: Any) -> None:
        parts = ("mapview", "charts") if charts else ("mapview",)
        style, script = (_joined(parts, kind) for kind in ("css", "js"))
        super().__init__(
            html_template=_joined(("mapview",), "html"),
            css_template=style,
            js_on_load=script,
            rules={
                name: {"label": r.label, "parameter": r.parameter, "meaning": r.meaning, "start": _start(r)}
                for name, r in threshold.RULES.items()
            },
            palettes={name: base64.b64encode(render.palette(name).tobytes()).decode() for name in render.PALETTES},
            start_rule=threshold.DEFAULT_RULE,
            opacity=round(100 * render.DEFAULT_OPACITY),
            uid=next(_numbers),
            **kwargs,
        )

    def api_info(self) -> dict[str, Any]:
        """What travels: an object."""
        return {"type": "object"}


def payload(explanation: Explanation) -> dict[str, Any]:
    """All that the browser needs to draw the methods of an explanation, each plain and dynamically thresholded, at any
    threshold; made once an explanation.
    """
    if explanation not in _sent:
        _sent[explanation] = _payload(explanation)
    return _sent[explanation]


def _joined(parts: Sequence[str], kind: str) -> str:
    return "\n".join((_HERE / f"{part}.{kind}").read_text(encoding="utf-8") for part in parts)


def _payload(explanation: Explanation) -> dict[str, Any]:
    stream = io.BytesIO()
    explanation.picture.save(stream, "PNG", compress_level=1)
    names = list(explanation.maps)
    return {
        "picture": "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode(),
        "words": explanation.words(),
        "layer": explanation.layer,
        "maps": [
            {"title": cam.METHODS[name].title, **_map(explanation.maps[name], explanation.heat(name))} for name in names
        ],
        "panels": [
            {"title": prefix + cam.METHODS[name].title, "map": i, "kept": kept}
            for i, name in enumerate(names)
            for prefix, kept in (("", False), ("DT ", True))
        ],
    }


def _map(raw: Tensor, heat: Tensor) -> dict[str, Any]:
    return {
        "raw": base64.b64encode(raw.numpy().astype("<f4").tobytes()).decode(),
        "grid": list(raw.shape),
        "max": float(raw.max()),
        "place": render.place(heat),
        "tables": {rule: threshold.table(heat, rule) for rule in threshold.RULES},
    }


def _start(rule: threshold.Rule) -> int:
    return min(range(len(rule.strengths())), key=lambda i: abs(rule.strengths()[i] - rule.default))
