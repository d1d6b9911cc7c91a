"""Pictures to start from: those in `examples/`, and a host's own folder."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from dala import images

__all__ = ["SHIPPED", "Sample", "SamplesError", "find"]

SHIPPED = Path(__file__).resolve().parent.parent / "examples"
SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"}


class SamplesError(ValueError):
    """A folder of samples that cannot be used."""


@dataclass(frozen=True)
class Sample:
    """A picture on disk, with what it shows, whence it comes and under which licence (empty where unknown)."""

    file: Path
    caption: str
    origin: str = ""
    licence: str = ""


def find(own: str | None = None) -> list[Sample]:
    """A host's own patches first (`own`, else the environment's `DALA_SAMPLES`), then the shipped ones.

    A folder tells about its pictures in `samples.json`, a list of {"file", "caption", "origin", "licence"}; without
    one, every picture in it is a sample named by its file.

    Raises:
        SamplesError: a folder that is not there or holds no picture.
    """
    own = own or os.environ.get("DALA_SAMPLES")
    return (_folder(Path(own)) if own else []) + _folder(SHIPPED)


def _folder(folder: Path) -> list[Sample]:
    if not folder.is_dir():
        raise SamplesError(f"{folder}: no such folder of samples.")
    listed = folder / "samples.json"
    if listed.is_file():
        rows = json.loads(listed.read_text(encoding="utf-8"))
        found = [Sample(folder / r["file"], r["caption"], r.get("origin") or "", r.get("licence") or "") for r in rows]
    else:
        files = sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES)
        found = [Sample(f, f.stem) for f in files]
    if not found:
        raise SamplesError(f"{folder}: holds no pictures.")
    for sample in found:
        try:
            images.read(sample.file)
        except images.ImageError as error:
            raise SamplesError(f"{sample.file}: {error}") from error
    return found
