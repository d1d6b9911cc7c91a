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

__all__ = ["SAVE", "data_url", "display", "explanation"]

# The zip travels as text and is never written to the server's disk.
SAVE = """async zip => {
  if (!zip) return;
  const href = URL.createObjectURL(await (await fetch(zip)).blob());
  Object.assign(document.createElement('a'), {href, download: 'explanation.zip'}).click();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
}"""


def explanation(what: Explanation, explainer: Explainer, chosen: gr.EventData, **more: Any) -> str:
    """`dala.explain.export.files` of an explanation as a zip in a data URL.

    Args:
        what: the explanation.
        explainer: the `Explainer` that returned it.
        chosen: the `download` event of the map view.
        more: further arguments of `dala.explain.export.files`.
    """
    return data_url(export.files(what, explainer, chosen.rule, chosen.strength, display(chosen), **more))


def display(chosen: gr.EventData) -> dict[str, Any]:
    """Return the display settings of the map view as arguments of `dala.explain.export.pictures`."""
    return {"colours": chosen.palette, "opacity": chosen.opacity, "look": chosen.look}


def data_url(files: Mapping[str, bytes]) -> str:
    """Pack contents by file name into a zip in a data URL; equal files give equal bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            # ZipInfo has a fixed date; given the name alone, `writestr` would take the current time.
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return encoding.data_url(stream.getvalue(), "application/zip")
