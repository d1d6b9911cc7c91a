"""The model card of a network without a report: what its config states, and what is not known."""

from typing import Any

from huggingface_hub import ModelCardData

from dala.images.preprocessing import Preprocessing
from dala.markdown import table, wrapped

__all__ = ["CITATION", "card"]

UNKNOWN = """\
**For research and teaching, not for diagnosis.** No report came with these weights. Their accuracy on held-out patients
is not known, so that this card names no figure; nor does it name a licence, which only the people who trained them can
give."""

USE = """\
## Use

    DALA_MODEL=user/repo python app.py
    python -m dala explain patch.png --model user/repo --out out

with this repository's id, in the project that trained them. `python -m dala evaluate --model user/repo --data
FOLDER --out scored` scores them on labelled pictures of other patients.

## Not for

Diagnosis, triage or any other decision about a person. They give a probability for any image: for other
magnifications, stains, scanners and organs, for a photograph and for a blank slide."""

CITATION = """\
## Citation

- Network and DT Grad-CAM: Liu, Himel and Wang, "Breast Cancer Classification with Enhanced Interpretability:
  DALAResNet50 and DT Grad-CAM", IEEE Access, 2024, [arXiv 2308.13150](https://arxiv.org/abs/2308.13150)."""


def card(config: dict[str, Any], sha256: str | None = None) -> str:
    """The card as Markdown with the Hub's metadata.

    Args:
        config: as `DALAResNet50.config` returns it.
        sha256: of `model.safetensors`; None refers to `config.json`.
    """
    data = ModelCardData(
        license="unknown",
        library_name="dala",
        pipeline_tag="image-classification",
        tags=["histopathology", "breast-cancer", "grad-cam"],
    )
    title = f"# {config['architecture']}: {', '.join(config['class_names'])}"
    sections = [f"---\n{data.to_yaml()}\n---", title, UNKNOWN, _facts(config, sha256), *USE.split("\n\n"), CITATION]
    return "\n\n".join(wrapped(section) for section in sections) + "\n"


def _facts(config: dict[str, Any], sha256: str | None) -> str:
    size, provenance = Preprocessing.of(config["preprocessing"]), config["provenance"]
    scale = f" at {size.magnification}" if size.magnification else ""
    pixel = f", {size.um_per_pixel:g} µm per pixel" if size.um_per_pixel else ", scale not stated"
    start = provenance.get("start")
    digest = f"SHA-256 `{sha256}`" if sha256 else "SHA-256 in `config.json`"
    rows = {
        "input": f"RGB patch, {size.width}×{size.height} px{scale or pixel}; other sizes are scaled to the same area",
        "output": f"logits of {', '.join(f'`{name}`' for name in config['class_names'])}; for probabilities divided by "
        f"the temperature, {config['temperature']:.3f}",
        "file": f"`model.safetensors`, matrices in fp16, vectors in fp32; {digest}",
        "trained on": _trained(provenance),
        "start": f"`{start['name']}`" if isinstance(start, dict) and start.get("name") else "not stated",
    }
    return table(["", ""], [[key, _line(text)] for key, text in rows.items()])


def _trained(provenance: dict[str, Any]) -> str:
    counts = [f"{provenance[key]} {unit}" for key, unit in (("images", "pictures"), ("patients", "patients")) if
              isinstance(provenance.get(key), int)]  # fmt: skip
    return ", ".join([str(provenance.get("data") or "not stated"), *counts])


def _line(text: str) -> str:
    """Text of a config as one line, since a table's cell holds no more."""
    return " ".join(text.split())
