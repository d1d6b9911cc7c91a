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
from dala import render
from dala.explain import Explainer, Explanation
from dala.threshold import DEFAULT_RULE, Threshold

__all__ = ["files", "pictures", "values"]


def pictures(
    explanation: Explanation,
    kept: Threshold,
    colours: str = render.PALETTES[0],
    opacity: float = render.DEFAULT_OPACITY,
    contour: bool = False,
) -> dict[str, Image.Image]:
    """The two overlays, `grad_cam` and `dt_grad_cam`, at the network's input size."""
    heat, top = explanation.heat(), float(explanation.maps["grad_cam"].max())
    picture = explanation.picture
    return {
        "grad_cam": render.overlay(picture, heat, top, None, colours, opacity),
        "dt_grad_cam": render.overlay(picture, heat, top, kept.mask, colours, opacity, contour),
    }


def values(explanation: Explanation, kept: Threshold, explainer: Explainer) -> dict[str, Any]:
    """Every number behind the pictures, as plain JSON."""
    e, model, origin = explanation, explainer.model, explainer.origin
    return {
        "target": e.target,
        "layer": e.layer,
        "probabilities": e.probabilities,
        "logits": dict(zip(e.class_names, e.logits.tolist(), strict=True)),
        "rule": kept.rule,
        "strength": kept.strength,
        "tau": kept.tau,
        "kept_area": kept.kept_area,
        "raw_max": {name: float(raw.max()) for name, raw in e.maps.items()},
        "description": render.describe(e.target, e.layer, e.heat(), kept),
        "original_size": list(e.original_size),
        "input_size": list(e.picture.size),
        "preprocessing": model.preprocessing.to_json(),
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
) -> dict[str, bytes]:
    """`grad_cam.png`, `dt_grad_cam.png`, `maps.npz` (raw maps) and `explanation.json`, by name.

    Args:
        explanation, explainer: what to write, and what made it.
        rule, strength: of `dala.threshold.apply`.
        display: `colours`, `opacity` and `contour` of `pictures`.
    """
    kept = explanation.threshold(rule, strength)
    written = {}
    for name, picture in pictures(explanation, kept, **(display or {})).items():
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        written[f"{name}.png"] = stream.getvalue()
    stream = io.BytesIO()
    arrays: dict[str, Any] = {name: raw.numpy() for name, raw in explanation.maps.items()}
    np.savez(stream, **arrays)
    written["maps.npz"] = stream.getvalue()
    text = json.dumps(values(explanation, kept, explainer), indent=2, ensure_ascii=False)
    written["explanation.json"] = (text + "\n").encode()
    return written
