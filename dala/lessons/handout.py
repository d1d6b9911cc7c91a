"""What a download needs beside maps and numbers: the patch, the masks, one figure, and a README."""

import io
import re
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from PIL import Image

from dala import cam
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.heatmaps.thresholds import RULES, Threshold
from dala.images.encoding import encode
from dala.style import png

__all__ = ["CHECKS", "files", "readme", "title_of"]

WIDTH = 12.0  # inches
MARGIN = 0.34  # above each picture, for its title
FIRST = "An explanation by DALA: what a network looks at in a patch of tissue."
LAST = "A map shows what this network uses, not where disease is. For teaching and research, not for diagnosis."
CHECKS = {
    "picture.png": "the patch as the network saw it",
    "checks.html": "the page with all three checks",
    "checks.json": "every number of them",
    "maps.png": "the maps under random weights, and of the changed pictures",
}
WHAT = {
    "picture.png": "the patch as the network saw it",
    "figure.png": "patch, map and thresholded map in one picture",
    "explanation.json": "every number: probabilities, thresholds, kept areas, model, versions",
    "maps.npz": "the raw maps before they are resized, for NumPy",
    "lab.png": "histogram, rules and curves of the threshold lab",
    "rules.csv": "the four rules side by side",
    "thresholds.csv": "threshold and kept area at every strength of every rule",
    "histogram.csv": "shares of the area by the map's value",
    "curves.csv": "the network's output with the kept region shown alone, and hidden",
}


def title_of(name: str, what: str = "explanation") -> str:
    """The name of a download, from that of the picture: "slide 3.tif" -> "slide_3_explanation.zip"."""
    stem = re.sub(r"[^\w.-]+", "_", name.rpartition(".")[0] or name, flags=re.ASCII).strip("._")[:60]
    return f"{stem or 'patch'}_{what}.zip"


def files(
    explanation: Explanation, explainer: Explainer, kept: Mapping[str, Threshold], contents: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Complete a download.

    Args:
        explanation: what is downloaded.
        explainer: that made it.
        kept: its thresholds by method.
        contents: of `dala.explain.export.files` and others, by file name.

    Returns:
        All contents by file name, README.txt first.
    """
    e = explanation
    masks = {f"mask_{m}.png": encode(Image.fromarray(k.mask.numpy().astype("uint8") * 255)) for m, k in kept.items()}
    more = {"picture.png": encode(e.picture), "figure.png": png(_figure(e, kept, contents)), **masks}
    whole = dict(contents) | more
    lead = _lead(e, explainer, next(iter(kept.values())))
    return {"README.txt": readme(lead, {name: WHAT.get(name) or _what(name) for name in sorted(whole)}), **whole}


def readme(lead: Sequence[str], files: Mapping[str, str]) -> bytes:
    """The README of a download: sentences, then what is in each file."""
    listed = [f"- {name}: {what}" for name, what in files.items()]
    return "\n".join([FIRST, *lead, "", "Files:", *listed, "", LAST, ""]).encode()


def _figure(e: Explanation, kept: Mapping[str, Threshold], contents: Mapping[str, bytes]) -> Figure:
    """A row for each method: the patch, the map, the thresholded map."""
    width, height = e.picture.size
    row = WIDTH / 3 * height / width + MARGIN
    figure = Figure(figsize=(WIDTH, row * len(kept) + 0.5), layout="constrained", dpi=150)
    grid = figure.subplots(len(kept), 3, squeeze=False)
    for axes, (method, k) in zip(grid, kept.items(), strict=True):
        title, peak = cam.METHODS[method].title, float(e.maps[method].max())
        drawn = (
            (f"patch, {width}×{height} px", e.picture),
            (f"{title}, raw maximum {peak:.3g}", _opened(contents[f"{method}.png"])),
            (f"DT {title}, τ = {k.tau:.3g}, keeps {100 * k.kept_area:.1f} %", _opened(contents[f"dt_{method}.png"])),
        )
        for place, (head, picture) in zip(axes, drawn, strict=True):
            place.imshow(picture)
            place.set_title(head, fontsize=9, loc="left")
            place.axis("off")
    figure.supxlabel(
        f"{_about(e, next(iter(kept.values())))} For teaching and research, not for diagnosis.", fontsize=8
    )
    return figure


def _about(e: Explanation, k: Threshold) -> str:
    name = RULES[k.rule].parameter
    strength = f", {name} = {k.strength:g}" if name and k.strength is not None else ""
    what = f"for {e.words()}" if e.evidence == "for" else e.words()
    return (
        f"Evidence {what} at {e.layer}; probability of {e.target} {e.probabilities[e.target]:.3f}; "
        f"threshold: {RULES[k.rule].label}{strength}."
    )


def _opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def _lead(e: Explanation, explainer: Explainer, k: Threshold) -> list[str]:
    origin = explainer.origin
    network = f"Network: {origin.source}, SHA-256 {origin.sha256}." if origin else "Network: one of your own."
    return [_about(e, k), network, *(text for text in (e.warning, e.shift) if text)]


def _what(name: str) -> str:
    stem = name.rpartition(".")[0]
    for head, words in (
        ("mask_", "where {} is at least τ, in white"),
        ("dt_", "{}, thresholded"),
        ("", "{}, laid over the patch"),
    ):
        if stem.startswith(head) and (method := cam.METHODS.get(stem[len(head) :])):
            return words.format(method.title)
    return "part of the tab's figure"
