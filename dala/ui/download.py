"""Downloads: what is on screen, and the data behind it, as one zip."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import gradio as gr

from dala.explain import export
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.images import encoding
from dala.lessons import handout

__all__ = ["SAVE", "data_url", "display", "whole"]

# The zip travels as text and is never written to the server's disk.
SAVE = """async zip => {
  if (!zip) return;
  const href = URL.createObjectURL(await (await fetch(zip)).blob());
  Object.assign(document.createElement('a'), {href, download: zip.match(/;name=([^;,]+)/)[1]}).click();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
}"""


def whole(
    content: Mapping[str, bytes],
    explanation: Explanation,
    explainer: Explainer,
    chosen: tuple[str, float | None, bool],
    picture: str,
) -> str:
    """`dala.lessons.handout.files` as a zip in a data URL.

    Args:
        content: what the tab adds to the patch, the masks, the figure and the README.
        explanation: the explanation.
        explainer: the `Explainer` that returned it.
        chosen: rule, strength and whether all maps are at the kept area of the first.
        picture: name of the picture's file.
    """
    kept = export.thresholds(explanation, *chosen)
    return data_url(handout.files(explanation, explainer, kept, content), handout.title_of(picture))


def display(chosen: gr.EventData) -> dict[str, Any]:
    """Return the display settings of the map view as arguments of `dala.explain.export.pictures`."""
    return {"colours": chosen.palette, "opacity": chosen.opacity, "look": chosen.look}


def data_url(files: Mapping[str, bytes], name: str) -> str:
    """Pack contents by file name into a zip of a name of letters, digits, "._-" in a data URL.

    Equal files give equal bytes.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in files.items():
            # ZipInfo has a fixed date; given the name alone, `writestr` would take the current time.
            archive.writestr(zipfile.ZipInfo(entry), content, zipfile.ZIP_DEFLATED)
    return encoding.data_url(stream.getvalue(), f"application/zip;name={name}")
