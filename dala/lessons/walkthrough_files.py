"""The download of the walkthrough: pictures of the six steps, and the numbers from which the map can be recomputed."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from dala.explain import export
from dala.explain.decomposition import MOST, Steps
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.explain.gate import AverageGate
from dala.heatmaps import render
from dala.heatmaps.thresholds import Threshold
from dala.images.encoding import encode
from dala.lessons import contact_sheet
from dala.lessons.contact_sheet import Tile
from dala.lessons.walkthrough import TITLES, Step, describe, gate

__all__ = ["files"]


def files(
    explanation: Explanation,
    explainer: Explainer,
    chosen: Sequence[int],
    average: AverageGate | None,
    rule: str,
    strength: float | None,
    display: Mapping[str, Any],
) -> dict[str, bytes]:
    """A PNG or SVGs for each step, `gate.svg`, `numbers.npz` and, last, `numbers.json`.

    Args:
        explanation: by Grad-CAM alone, with its gradient.
        explainer: the one that made the explanation.
        chosen, average: as in `dala.lessons.walkthrough.describe` and `dala.lessons.walkthrough.gate`.
        rule, strength: of `dala.heatmaps.thresholds.apply`.
        display: `colours`, `opacity` and `look` of `dala.heatmaps.render.overlay`.

    Returns:
        Contents by file name.
    """
    steps, kept = Steps.of(explanation), explanation.threshold(rule, strength)
    lesson, shown = describe(explanation, steps, chosen), list(chosen) or steps.ranking[:MOST].tolist()
    content = {}
    for i, (title, step) in enumerate(zip(TITLES, lesson, strict=True), 1):
        name = f"{i}_{title.lower().replace(' ', '_')}"
        if tiles := step.tiles or (() if step.charts else _enlarged(explanation, kept, display)):
            content[f"{name}.png"] = _png(tiles)
        content |= {f"{name}_{k}.svg": chart.encode() for k, chart in enumerate(step.charts, 1)}
    for chart in gate(explanation, average, shown).charts:
        content["gate.svg"] = chart.encode()
    content["numbers.npz"] = _arrays(explanation, steps, average)
    numbers = export.values(explanation, {next(iter(explanation.maps)): kept}, explainer)
    numbers |= _numbers(explanation, steps, shown, average) | {"steps": _sentences(lesson)}
    content["numbers.json"] = (json.dumps(numbers, indent=2, ensure_ascii=False) + "\n").encode()
    return content


def _enlarged(e: Explanation, kept: Threshold, display: Mapping[str, Any]) -> tuple[Tile, ...]:
    """The three pictures of the last step, drawn as in the map view."""
    raw, heat = next(iter(e.maps.values())), e.heat()
    cells, top = interpolate(raw[None, None], heat.shape, mode="nearest")[0, 0], float(raw.max())
    maximum = f"maximum {render.number(top, top)}" if top > 0 else "zero everywhere"
    area = f"keeps {100 * kept.kept_area:.1f} %"
    return (
        Tile("the map's own cells", maximum, "", render.overlay(e.picture, cells, top, None, **display)),
        Tile("enlarged, bilinear", maximum, "", render.overlay(e.picture, heat, top, None, **display)),
        Tile("DT Grad-CAM", area, "", render.overlay(e.picture, heat, top, kept.mask, **display)),
    )


def _png(tiles: Sequence[Tile]) -> bytes:
    return encode(tiles[0].picture if len(tiles) == 1 and not tiles[0].title else _sheet(tiles))


def _sheet(tiles: Sequence[Tile]) -> Image.Image:
    return contact_sheet.sheet(tiles, 4) if len(tiles) > 3 else contact_sheet.sheet(tiles, 3, 480)


def _arrays(e: Explanation, steps: Steps, average: AverageGate | None) -> bytes:
    arrays: dict[str, Tensor | None] = {
        "activations": steps.activations,
        # A flat gradient is given by its mean, the weights.
        "gradient": None if steps.flat else steps.gradient,
        "weights": steps.weights,
        "signed": next(iter(e.signed.values())),
        "map": next(iter(e.maps.values())),
        "gate": e.gate,
        "average_gate": average.mean if average else None,
    }
    stream = io.BytesIO()
    written: dict[str, Any] = {name: a.numpy().astype("<f4") for name, a in arrays.items() if a is not None}
    np.savez(stream, **written)
    return stream.getvalue()


def _numbers(e: Explanation, steps: Steps, shown: Sequence[int], average: AverageGate | None) -> dict[str, Any]:
    mean = average.mean if average and e.gate is not None else None
    return {
        "channels": [
            {
                "channel": k,
                "weight": float(steps.weights[k]),
                "place_by_weight": int(steps.places[k]),
                "mean_activation": float(steps.means[k]),
                "contribution": float(steps.contributions[k]),
                "gate": None if e.gate is None else float(e.gate[k]),
                "average_gate": None if mean is None else float(mean[k]),
            }
            for k in shown
        ],
        "share_of_contributions": steps.share(shown),
        "unevenness_of_gradient": steps.unevenness,
        "average_gate_of": {"data": average.data, "pictures": average.pictures} if average else None,
    }


def _sentences(lesson: Sequence[Step]) -> dict[str, str]:
    return {title: step.sentence for title, step in zip(TITLES, lesson, strict=True)}
