"""Pictures to start from: those in `examples/`, and a host's own folder."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from dala.errors import DalaError

__all__ = ["SHIPPED", "Sample", "SamplesError", "find"]

SHIPPED = Path(__file__).resolve().parent.parent / "examples"
MOST = 24
SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"}


class SamplesError(DalaError):
    """A folder of samples that cannot be used."""


@dataclass(frozen=True)
class Sample:
    """A picture on disk, with what it shows, whence it comes, under which licence, and its scale where known:
    the microscope's magnification ("100X"), micrometres per pixel."""

    file: Path
    caption: str
    origin: str = ""
    licence: str = ""
    um_per_pixel: float | None = None
    magnification: str | None = None


def find(own: str | None = None) -> list[Sample]:
    """A host's own patches first (`own`, else the environment's `DALA_SAMPLES`), then the shipped ones.

    A folder tells about its pictures in `samples.json`, a list of objects with the fields of `Sample`; without one,
    the pictures in it and below are samples named by their files, at most `MOST`, evenly spread.

    Raises:
        SamplesError: a folder that is not there or holds no picture, or a list that cannot be read.
    """
    own = own or os.environ.get("DALA_SAMPLES")
    return (_folder(Path(own)) if own else []) + _folder(SHIPPED)


def _folder(folder: Path) -> list[Sample]:
    if not folder.is_dir():
        raise SamplesError(f"{folder}: no such folder of samples.")
    listed = folder / "samples.json"
    if listed.is_file():
        try:
            rows = json.loads(listed.read_text(encoding="utf-8"))
            return [Sample(**{**row, "file": folder / row["file"]}) for row in rows]
        except (ValueError, TypeError, KeyError) as error:
            raise SamplesError(f"{listed}: not a list of samples: {error}.") from error
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES)
    if not files:
        raise SamplesError(f"{folder}: holds no pictures.")
    step = max(1, -(-len(files) // MOST))
    return [Sample(f, f.stem) for f in files[::step]]
