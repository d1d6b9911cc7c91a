"""Pictures to start from: those in `examples/`, a host's own folder, and those published with a model."""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dala.errors import DalaError
from dala.files import ROOT, read_json
from dala.hub.cache import HubError
from dala.hub.layout import SAMPLES, SAMPLES_LIST
from dala.models import LoadedModel

__all__ = ["LIST", "MOST", "SHIPPED", "Sample", "SamplesError", "find", "of", "read"]

SHIPPED = ROOT / "examples"
MOST = 24
MOST_BYTES, MOST_LIST_BYTES = 20_000_000, 100_000
FOLDER, LIST = SAMPLES, SAMPLES_LIST
PLAIN_NAME = re.compile(r"[^./\\:\0][^/\\:\0]*")
SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"}


class SamplesError(DalaError):
    """Samples that cannot be used."""


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

    Raises:
        SamplesError: see `read`.
    """
    own = own or os.environ.get("DALA_SAMPLES")
    return (read(Path(own)) if own else []) + read(SHIPPED)


def read(folder: Path) -> list[Sample]:
    """The samples of a folder.

    It tells about its pictures in `samples.json`, a list of objects with the fields of `Sample`; without one, the
    pictures in it and below are samples named by their files, at most `MOST`, evenly spread.

    Raises:
        SamplesError: a folder that is not there or holds no picture, or a list that cannot be read.
    """
    if not folder.is_dir():
        raise SamplesError(f"{folder}: no such folder of samples.")
    listed = folder / LIST
    if listed.is_file():
        try:
            rows = read_json(listed)
            told = [(row["file"], row) for row in rows]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise SamplesError(f"{listed}: not a list of samples: {error}.") from error
        # A host's own pictures may lie below the folder, or elsewhere.
        for number, (_, row) in enumerate(told, 1):
            for problem in _problems(row, plain=False):
                raise SamplesError(f"{listed}: not a list of samples: sample {number}: {problem}.")
        return [Sample(**{**row, "file": folder / file}) for file, row in told]
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES)
    if not files:
        raise SamplesError(f"{folder}: holds no pictures.")
    step = max(1, -(-len(files) // MOST))
    return [Sample(f, f.stem) for f in files[::step]]


def of(model: LoadedModel, token: str | bool | None = None) -> list[Sample]:
    """The samples that a model's folder or repository carries in `samples/`, as its `samples.json` lists them; or none.

    The list is a JSON list of objects with the fields of `Sample`, each `file` the plain name of a picture beside it.
    From the Hub, what it names is downloaded once, at the commit of the weights.

    Args:
        model: from `dala.models.load`.
        token: of the Hub, as for `dala.models.load`.

    Raises:
        SamplesError: a list that cannot be read, names more than `MOST` pictures or something other than pictures
            beside it, or a picture that is missing, larger than `MOST_BYTES`, or cannot be downloaded.
    """
    told = f"{model.source}/{FOLDER}/{LIST}"
    file = _beside(model, LIST, token, MOST_LIST_BYTES)
    if file is None:
        return []
    try:
        rows = read_json(file)
    except (OSError, ValueError) as error:
        raise SamplesError(f"{told}: not valid JSON.") from error
    if not isinstance(rows, list) or len(rows) > MOST:
        raise SamplesError(f"{told}: not a list of at most {MOST} samples.")
    for number, row in enumerate(rows, 1):
        for problem in _problems(row):
            raise SamplesError(f"{told}: sample {number}: {problem}.")
    with ThreadPoolExecutor(8) as pool:
        files = list(pool.map(lambda row: _beside(model, row["file"], token, MOST_BYTES), rows))
    for row, picture in zip(rows, files, strict=True):
        if picture is None:
            raise SamplesError(f"{told}: names {row['file']}, which is not there.")
    return [Sample(**{**row, "file": picture}) for row, picture in zip(rows, files, strict=True)]


def _problems(row: Any, plain: bool = True) -> Iterator[str]:
    known = {field.name for field in fields(Sample)}
    if not isinstance(row, dict) or not {"file", "caption"} <= row.keys() <= known:
        yield f"not an object with file, caption and no other fields than {', '.join(sorted(known))}"
        return
    texts = [row[name] for name in ("file", "caption", "origin", "licence") if name in row]
    if not all(isinstance(text, str) for text in texts) or not row["caption"]:
        yield "file, caption, origin and licence must be texts"
    elif not isinstance(row.get("magnification") or "", str):
        yield f"magnification must be a text such as 100X, not {row['magnification']!r}"
    elif plain and (not PLAIN_NAME.fullmatch(row["file"]) or Path(row["file"]).suffix.lower() not in SUFFIXES):
        yield f"{row['file']!r} is not the plain name of a picture in {FOLDER}/"
    scale = row.get("um_per_pixel")
    if scale is not None and (isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale < 1000):
        yield f"um_per_pixel must be a number of micrometres, not {scale!r}"


def _beside(model: LoadedModel, name: str, token: str | bool | None, most: int) -> Path | None:
    told = f"{model.source}/{FOLDER}/{name}"
    try:
        file = model.beside(f"{FOLDER}/{name}", token, most)
        size = file.stat().st_size if file else 0
    except HubError as error:
        raise SamplesError(str(error)) from error
    except (OSError, ValueError) as error:  # a name that no file can have
        raise SamplesError(f"{told}: cannot be read.") from error
    if size > most:
        raise SamplesError(f"{told}: larger than {most:,} bytes.")
    return file
