"""The card of a network that came without a report: what its config tells, and plainly what nobody knows."""

from typing import Any

from huggingface_hub import ModelCardData

from dala.markdown import table, wrapped
from dala.models.dala_resnet import DALAResNet50
from dala.publishing import card_text

__all__ = ["card"]

UNKNOWN = """\
**For research and teaching, not for diagnosis.** No report came with these weights. How often they are right about
patients they never saw is not known, so that this card names no figure; nor does it name a licence, which is for
whoever trained them to say."""

USE = """\
## Use

    DALA_MODEL=user/repo python app.py
    python -m dala explain patch.png --model user/repo --out out

with this repository's id, in the project that they were trained with. `python -m dala evaluate --model user/repo --data
FOLDER --out scored` scores them on labelled pictures of other patients.

## Not for

Diagnosis, triage or any other decision about a person. They give a probability to whatever they are shown: to other
magnifications, stains, scanners and organs, to a photograph and to a blank slide."""


def card(model: DALAResNet50, sha256: str | None = None) -> str:
    """The card as Markdown with the Hub's metadata.

    Args:
        model: its config and provenance are told.
        sha256: of `model.safetensors`; None refers to `config.json`.
    """
    data = ModelCardData(
        license="unknown",
        library_name="dala",
        pipeline_tag="image-classification",
        tags=["histopathology", "breast-cancer", "grad-cam"],
    )
    title = f"# DALAResNet50: {', '.join(model.class_names)}"
    sections = [
        f"---\n{data.to_yaml()}\n---",
        title,
        UNKNOWN,
        _facts(model, sha256),
        *USE.split("\n\n"),
        card_text.CITATION,
    ]
    return "\n\n".join(wrapped(section) for section in sections) + "\n"


def _facts(model: DALAResNet50, sha256: str | None) -> str:
    seen, told = model.preprocessing, model.provenance
    scale = f" at {seen.magnification}" if seen.magnification else ""
    pixel = f", {seen.um_per_pixel:g} µm per pixel" if seen.um_per_pixel else ", scale not stated"
    start = told.get("start")
    digest = f"SHA-256 `{sha256}`" if sha256 else "SHA-256 in `config.json`"
    rows = {
        "input": f"RGB patch, {seen.width}×{seen.height} px{scale or pixel}; other sizes are scaled to the same area",
        "output": f"logits of {', '.join(f'`{name}`' for name in model.class_names)}; for probabilities divided by the "
        f"temperature, {model.temperature:.3f}",
        "file": f"`model.safetensors`, matrices in fp16, vectors in fp32; {digest}",
        "trained on": _trained(told),
        "start": f"`{start['name']}`" if isinstance(start, dict) and start.get("name") else "not stated",
    }
    return table(["", ""], [[key, _line(text)] for key, text in rows.items()])


def _trained(told: dict[str, Any]) -> str:
    counts = [f"{told[key]} {what}" for key, what in (("images", "pictures"), ("patients", "patients")) if
              isinstance(told.get(key), int)]  # fmt: skip
    return ", ".join([str(told.get("data") or "not stated"), *counts])


def _line(text: str) -> str:
    """Text of a config, as one line: a cell of a table holds no more."""
    return " ".join(text.split())
