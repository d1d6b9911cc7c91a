"""A zip for the visitor: what is on screen, and the data behind it."""

import base64
import io
import zipfile
from collections.abc import Mapping
from typing import Any

import gradio as gr

from dala.explain import export
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation

__all__ = ["SAVE", "data_url", "explanation"]

# The zip travels as text and never lies on the server's disk.
SAVE = """async zip => {
  if (!zip) return;
  const href = URL.createObjectURL(await (await fetch(zip)).blob());
  Object.assign(document.createElement('a'), {href, download: 'explanation.zip'}).click();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
}"""


def explanation(what: Explanation, explainer: Explainer, chosen: gr.EventData, **more: Any) -> str:
    """`dala.explain.export.files` of an explanation as the map view's `download` event wants it, as `data_url`."""
    return data_url(export.files(what, explainer, chosen.rule, chosen.strength, display(chosen), **more))


def display(chosen: gr.EventData) -> dict[str, Any]:
    """How the map view draws, as `dala.explain.export.pictures` wants it."""
    return {"colours": chosen.palette, "opacity": chosen.opacity, "contour": chosen.contour}


def data_url(files: Mapping[str, bytes]) -> str:
    """Files by name as one zip in a data URL; the same bytes for the same files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            # Without a date: by a name alone it would be the moment's.
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return "data:application/zip;base64," + base64.b64encode(stream.getvalue()).decode()
