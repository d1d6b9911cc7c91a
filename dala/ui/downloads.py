"""Files for the visitor as one zip, which travels as text and never lies on the server's disk."""

import base64
import io
import zipfile
from collections.abc import Mapping

__all__ = ["data_url", "save"]

SAVE = """async zip => {
  if (!zip) return;
  const href = URL.createObjectURL(await (await fetch(zip)).blob());
  Object.assign(document.createElement('a'), {href, download: 'NAME'}).click();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
}"""


def data_url(files: Mapping[str, bytes]) -> str:
    """The files by name, as a zip in a data URL."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return "data:application/zip;base64," + base64.b64encode(stream.getvalue()).decode()


def save(name: str) -> str:
    """The script that hands such a data URL to the visitor as a file of a name."""
    return SAVE.replace("NAME", name)
