"""An explanation as files: the same for the command line and for the app's download."""

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torchvision
from PIL import Image

import dala
from dala import cam, render
from dala.explain import Explainer
from dala.explanation import Explanation
from dala.threshold import DEFAULT_RULE, Threshold

__all__ = ["files", "pictures", "thresholds", "values"]


def pictures(
    explanation: Explanation,
    kept: Mapping[str, Threshold],
    colours: str = render.PALETTES[0],
    opacity: float = render.DEFAULT_OPACITY,
    contour: bool = False,
) -> dict[str, Image.Image]:
    """Two overlays a method, such as `grad_cam` and `dt_grad_cam`, at the network's input size."""
    made = {}
    for method, raw in explanation.maps.items():
        heat, top, picture = explanation.heat(method), float(raw.max()), explanation.picture
        made[method] = render.overlay(picture, heat, top, None, colours, opacity)
        made[f"dt_{method}"] = render.overlay(picture, heat, top, kept[method].mask, colours, opacity, contour)
    return made


def thresholds(
    explanation: Explanation, rule: str = DEFAULT_RULE, strength: float | None = None
) -> dict[str, Threshold]:
    """Every method's map under one rule, by method."""
    return {method: explanation.threshold(rule, strength, method) for method in explanation.maps}


def values(explanation: Explanation, kept: Mapping[str, Threshold], explainer: Explainer) -> dict[str, Any]:
    """Every number behind the pictures, as plain JSON."""
    e, origin, first = explanation, explainer.origin, next(iter(kept.values()))
    return {
        "target": e.target,
        "layer": e.layer,
        "probabilities": e.probabilities,
        "logits": dict(zip(e.class_names, e.logits.tolist(), strict=True)),
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


def files(
    explanation: Explanation,
    explainer: Explainer,
    rule: str = DEFAULT_RULE,
    strength: float | None = None,
    display: Mapping[str, Any] | None = None,
    more: Mapping[str, Any] | None = None,
) -> dict[str, bytes]:
    """Two overlays a method, `maps.npz` (raw maps) and, last, `explanation.json`, by name.

    Args:
        explanation, explainer: what to write, and what made it.
        rule, strength: of `dala.threshold.apply`.
        display: `colours`, `opacity` and `contour` of `pictures`.
        more: further entries of `explanation.json`.
    """
    kept = thresholds(explanation, rule, strength)
    written = {}
    for name, picture in pictures(explanation, kept, **(display or {})).items():
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        written[f"{name}.png"] = stream.getvalue()
    stream = io.BytesIO()
    arrays: dict[str, Any] = {name: raw.numpy() for name, raw in explanation.maps.items()}
    np.savez(stream, **arrays)
    written["maps.npz"] = stream.getvalue()
    text = json.dumps(values(explanation, kept, explainer) | dict(more or {}), indent=2, ensure_ascii=False)
    written["explanation.json"] = (text + "\n").encode()
    return written
