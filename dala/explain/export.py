"""An explanation as images, numbers and files: the same on the command line, in the app and in its API."""

import json
import math
from collections.abc import Mapping
from typing import Any

import torch
import torchvision
from PIL import Image
from torch import Tensor

import dala
from dala import cam
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.heatmaps import looks, npz, render, resize, similarity
from dala.heatmaps.thresholds import DEFAULT_RULE, Threshold, apply, table
from dala.images.encoding import encode

__all__ = ["agreement_values", "files", "masked", "pictures", "sheet", "thresholds", "values"]


def pictures(
    explanation: Explanation,
    kept: Mapping[str, Threshold],
    colours: str = render.PALETTES[0],
    opacity: float | None = None,
    look: str = looks.DEFAULT_LOOK,
    shared: bool = False,
) -> dict[str, Image.Image]:
    """Two overlays for each method, such as `grad_cam` and `dt_grad_cam`, in the network's input size.

    `shared` draws all maps on the colour scale of the map with the largest maximum.
    """
    overlays = {}
    tops = {method: float(raw.max()) for method, raw in explanation.maps.items()}
    for method, own in tops.items():
        top = max(tops.values()) if shared and own > 0 else own
        heat, picture = explanation.heat(method), explanation.picture
        overlays[method] = render.overlay(picture, heat, top, None, colours, opacity, look)
        overlays[f"dt_{method}"] = render.overlay(picture, heat, top, kept[method].mask, colours, opacity, look)
    return overlays


def sheet(explanation: Explanation, overlays: Mapping[str, Image.Image]) -> tuple[Image.Image, dict[str, list[int]]]:
    """All of `pictures` in one image: a column for each method, the map above, its DT map below; and their boxes.

    Boxes are (left, upper, right, lower) in pixels, as for Pillow's `crop`, by the names of `pictures`.
    """
    width, height = explanation.picture.size
    whole = Image.new("RGB", (width * len(explanation.maps), 2 * height))
    places = {}
    for column, method in enumerate(explanation.maps):
        for row, name in enumerate((method, f"dt_{method}")):
            left, upper = column * width, row * height
            whole.paste(overlays[name], (left, upper))
            places[name] = [left, upper, left + width, upper + height]
    return whole, places


def thresholds(
    explanation: Explanation, rule: str = DEFAULT_RULE, strength: float | None = None, level: bool = False
) -> dict[str, Threshold]:
    """The map of every method with one threshold rule applied, by method.

    With `level`, the rule is applied to the first method alone; the others get the percentile whose kept area is
    nearest to its kept area, as on the page for maps at one kept area.
    """
    first, *others = explanation.maps
    kept = {first: explanation.threshold(rule, strength, first)}
    for method in others:
        kept[method] = explanation.threshold(rule, strength, method)
        if level:
            stops = table(explanation.heat(method), "percentile")
            nearest, _, _ = min(stops, key=lambda stop: abs(stop[2] - kept[first].kept_area))
            kept[method] = explanation.threshold("percentile", nearest, method)
    return kept


def values(explanation: Explanation, kept: Mapping[str, Threshold], explainer: Explainer) -> dict[str, Any]:
    """All numbers of an explanation, as plain JSON.

    `shift_distance` is from the nearest laboratory in training, above 1 with a `shift`; None if none is known.
    """
    e, origin, first = explanation, explainer.origin, next(iter(kept.values()))
    return {
        "target": e.target,
        "layer": e.layer,
        "probabilities": e.probabilities,
        "logits": dict(zip(e.class_names, e.logits.tolist(), strict=True)),
        "warning": e.warning,
        "shift": e.shift,
        "shift_distance": e.comparison.distance if e.comparison else None,
        "evidence": e.evidence,
        "rule": first.rule,
        "strength": first.strength,
        "tau": {method: k.tau for method, k in kept.items()},
        "kept_area": {method: k.kept_area for method, k in kept.items()},
        "raw_max": {method: float(raw.max()) for method, raw in e.maps.items()},
        "description": {
            method: render.describe(cam.METHODS[method].title, e.words(), e.layer, e.heat(method), kept[method])
            for method in e.maps
        },
        "coincidence": e.coincidence(),
        "original_size": list(e.original_size),
        "input_size": list(e.picture.size),
        "preprocessing": explainer.preprocessing.to_json(),
        "model": {
            "source": origin.source if origin else None,
            "revision": origin.revision if origin else None,
            "sha256": origin.sha256 if origin else None,
        },
        "device": e.device,
        "seconds": round(e.seconds, 4),
        "versions": {"dala": dala.__version__, "torch": torch.__version__, "torchvision": torchvision.__version__},
        "notice": "For teaching and research, not for diagnosis.",
    }


def masked(
    raw: Tensor,
    size: tuple[int | None, int | None] = (None, None),
    rule: str = DEFAULT_RULE,
    strength: float | None = None,
) -> tuple[dict[str, Any], Image.Image]:
    """Threshold a raw map: all numbers as plain JSON, and the mask, white where the map is kept.

    Args:
        raw: (h, w) float32, at least 0.
        size: (height, width) to which the map is resized first; (None, None) keeps its own.
        rule, strength: of `dala.heatmaps.thresholds.apply`.

    Raises:
        RawMapError, ThresholdError: a size that is incomplete or out of range; no such rule or strength.
    """
    height, width = size
    if (height is None) != (width is None):
        raise npz.RawMapError("Give both the height and the width of the picture, or neither.")
    if height is not None and width is not None:
        if min(height, width) < 1 or height * width > npz.MAX_CELLS:
            most = npz.MAX_CELLS // 1_000_000
            raise npz.RawMapError(f"A picture has at least one pixel a side, and at most {most} million here.")
        heat = resize.upsample(raw, (height, width))
    else:
        heat = raw
    kept = apply(heat, rule, strength)
    numbers = {
        "rule": kept.rule,
        "strength": kept.strength,
        "tau": kept.tau,
        "kept_area": kept.kept_area,
        "raw_max": float(raw.max()),
        "size": list(heat.shape),
    }
    return numbers, Image.fromarray(kept.mask.numpy().astype("uint8") * 255)


def agreement_values(explanation: Explanation, share: float = similarity.DEFAULT_SHARE) -> dict[str, Any]:
    """Agreement of an explanation's methods, as plain JSON; None if one of two maps is constant.

    `marked_area` is the share of the area in which a map is above 0, the largest region that can be compared.
    """
    maps = torch.stack([explanation.heat(method) for method in explanation.maps])
    return {
        "share": share,
        "rank_correlation": _by_pair(explanation, similarity.rank_correlation(maps)),
        "overlap": _by_pair(explanation, similarity.overlap(maps, share)),
        "marked_area": dict(zip(explanation.maps, (maps > 0).double().mean((1, 2)).tolist(), strict=True)),
    }


def _by_pair(explanation: Explanation, matrix: Tensor) -> dict[str, dict[str, float | None]]:
    return {
        a: {b: None if math.isnan(v) else v for b, v in zip(explanation.maps, row, strict=True)}
        for a, row in zip(explanation.maps, matrix.tolist(), strict=True)
    }


def files(
    explanation: Explanation,
    explainer: Explainer,
    rule: str = DEFAULT_RULE,
    strength: float | None = None,
    display: Mapping[str, Any] | None = None,
    more: Mapping[str, Any] | None = None,
    level: bool = False,
) -> dict[str, bytes]:
    """Two overlays for each method, `maps.npz` (raw maps) and, last, `explanation.json`: contents by file name.

    Args:
        explanation: what to write.
        explainer: that returned it.
        rule, strength: of `dala.heatmaps.thresholds.apply`.
        display: `colours`, `opacity`, `look` and `shared` of `pictures`.
        more: further entries of `explanation.json`.
        level: see `thresholds`.
    """
    kept = thresholds(explanation, rule, strength, level)
    drawn = pictures(explanation, kept, **(display or {}))
    contents = {f"{name}.png": encode(picture) for name, picture in drawn.items()}
    contents["maps.npz"] = npz.pack(explanation.maps)
    text = json.dumps(values(explanation, kept, explainer) | dict(more or {}), indent=2, ensure_ascii=False)
    contents["explanation.json"] = (text + "\n").encode()
    return contents
