"""What stands beside the maps: sentences that qualify them, and the planted focus of a phantom."""

from pathlib import Path
from typing import Any

from PIL import Image

from dala.explain.explainer import Explainer
from dala.images import encoding
from dala.ui.current import Current

__all__ = ["beside", "notes", "planted"]

# By which factor a side may be enlarged or shrunk before the maps are qualified.
FAR = 1.5


def beside(current: Current, explainer: Explainer) -> dict[str, Any]:
    """Return `notes` and `planted`, further entries of a map view's value."""
    mask = planted(current)
    url = encoding.data_url(encoding.encode(mask), "image/png") if mask else None
    return {"notes": notes(current, explainer), "planted": url}


def notes(current: Current, explainer: Explainer) -> list[str]:
    """Sentences for a picture that is no tissue, was resized a lot, or is a phantom; most pictures have none."""
    e = current.explanation
    return [text for text in (e.warning, _resized(current, explainer), _phantom(current, explainer)) if text]


def planted(current: Current) -> Image.Image | None:
    """Return the mask of a phantom's focus, 0 or 255; None without one, or if it does not fit the picture."""
    file = mask_of(current.source.file)
    if not current.source.generated or current.source.box or not file.is_file():
        return None
    with Image.open(file) as stored:
        mask = stored.convert("L")
    return mask if mask.size == current.explanation.original_size and mask.getextrema()[1] else None


def mask_of(file: Path) -> Path:
    """Return where the mask of a phantom lies, if it has one: beside it, as `examples/make.py` writes them."""
    return file.with_name(f"{file.stem}_mask.png")


def _resized(current: Current, explainer: Explainer) -> str:
    e, size = current.explanation, explainer.preprocessing
    (width, height), seen = e.original_size, e.picture.size
    factor = (seen[0] * seen[1] / (width * height)) ** 0.5 / size.enlargement
    was = f"This picture of {width}×{height} px was"
    if factor >= FAR:
        return (
            f"{was} enlarged {factor:.1f} times to the size that this network expects. Enlarging adds no detail: do "
            "not rely on its map or on its probability."
        )
    # Shrunk from a known, higher magnification, it shows what the network expects.
    if factor > 1 / FAR or current.source.scale:
        return ""
    if current.parts:
        text = f"was shrunk {1 / factor:.1f} times and judged as one patch, though it is as large as"
        return f"This picture of {width}×{height} px {text} {current.patches:.0f} patches: choose one of its parts."
    return f"{was} shrunk {1 / factor:.1f} times to the size that this network expects: nuclei may be too small for it."


def _phantom(current: Current, explainer: Explainer) -> str:
    if not current.source.generated or "phantom" in str(explainer.provenance.get("data", "")).lower():
        return ""
    start = "This is a phantom, drawn by a program, and this network was trained on real tissue"
    if planted(current) is None:
        return f"{start}: its map and its probability mean little here."
    return f"{start}: its map need not find the planted focus, and its probability means little here."
