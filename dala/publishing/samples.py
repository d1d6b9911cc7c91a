"""Sample pictures: those in `examples/`, those of a host's own folder, and those published with a model."""

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
from dala.images.reading import SUFFIXES
from dala.models import LoadedModel

__all__ = ["LIST", "MOST", "SHIPPED", "Sample", "SamplesError", "find", "of", "problems", "read"]

SHIPPED = ROOT / "examples"
MOST = 24
MOST_BYTES, MOST_LIST_BYTES = 20_000_000, 100_000
FOLDER, LIST = SAMPLES, SAMPLES_LIST
PLAIN_NAME = re.compile(r"[^./\\:\0][^/\\:\0]*")


class SamplesError(DalaError):
    """Samples that cannot be used."""


@dataclass(frozen=True)
class Sample:
    """A picture on disk.

    Attributes:
        file: its path.
        caption: what it shows.
        origin: where it comes from.
        licence: its licence.
        um_per_pixel: micrometres per pixel, where known.
        magnification: the microscope's, such as "100X", where known.
    """

    file: Path
    caption: str
    origin: str = ""
    licence: str = ""
    um_per_pixel: float | None = None
    magnification: str | None = None

    @property
    def generated(self) -> bool:
        """Whether it is a phantom, which no laboratory has made."""
        return self.origin.startswith("dala.phantoms.")


def find(own: str | None = None) -> list[Sample]:
    """List the host's own samples, from the folder `own` or else `DALA_SAMPLES`, followed by the shipped ones;
    "" for the shipped ones alone.

    A data set of the Hub is made a folder by `dala.publishing.hub_samples`.

    Raises:
        SamplesError: see `read`.
    """
    own = os.environ.get("DALA_SAMPLES") if own is None else own
    return (read(Path(own)) if own else []) + read(SHIPPED)


def read(folder: Path) -> list[Sample]:
    """Read the samples of a folder.

    `samples.json`, a list of objects with the fields of `Sample`, describes them. Without it, the pictures of the
    folder and its sub-folders are samples, with their file names as captions: at most `MOST`, evenly spread.

    Raises:
        SamplesError: no such folder, a folder without pictures, or a list that cannot be read.
    """
    if not folder.is_dir():
        raise SamplesError(f"{folder}: no such folder of samples.")
    listed = folder / LIST
    if listed.is_file():
        try:
            rows = read_json(listed)
            named = [(row["file"], row) for row in rows]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise SamplesError(f"{listed}: not a list of samples: {error}.") from error
        # A host's own list may name pictures anywhere on the disk.
        for number, (_, row) in enumerate(named, 1):
            for problem in problems(row, plain=False):
                raise SamplesError(f"{listed}: not a list of samples: sample {number}: {problem}.")
        return [Sample(**{**row, "file": folder / file}) for file, row in named]
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES)
    if not files:
        raise SamplesError(f"{folder}: contains no pictures; name a folder with PNG, JPEG, TIFF, WebP or BMP files.")
    step = max(1, -(-len(files) // MOST))
    return [Sample(f, f.stem) for f in files[::step]]


def of(model: LoadedModel, token: str | bool | None = None) -> list[Sample]:
    """Read the samples in `samples/` of a model's folder or repository; an empty list where there are none.

    `samples/samples.json` is a list of objects with the fields of `Sample`, each `file` the plain name of a picture in
    the same folder. From the Hub, the pictures are downloaded once, at the commit of the weights.

    Args:
        model: from `dala.models.load`.
        token: access token of the Hub, as in `dala.models.load`.

    Raises:
        SamplesError: a list that cannot be read, names more than `MOST` pictures or files of another kind or folder, or
            a picture that is missing, larger than `MOST_BYTES`, or cannot be downloaded.
    """
    place = f"{model.source}/{FOLDER}/{LIST}"
    file = _beside(model, LIST, token, MOST_LIST_BYTES)
    if file is None:
        return []
    try:
        rows = read_json(file)
    except (OSError, ValueError) as error:
        raise SamplesError(f"{place}: not valid JSON.") from error
    if not isinstance(rows, list) or len(rows) > MOST:
        raise SamplesError(f"{place}: not a list of at most {MOST} samples.")
    for number, row in enumerate(rows, 1):
        for problem in problems(row):
            raise SamplesError(f"{place}: sample {number}: {problem}.")
    with ThreadPoolExecutor(8) as pool:
        files = list(pool.map(lambda row: _beside(model, row["file"], token, MOST_BYTES), rows))
    for row, picture in zip(rows, files, strict=True):
        if picture is None:
            raise SamplesError(f"{place}: names {row['file']}, which does not exist.")
    return [Sample(**{**row, "file": picture}) for row, picture in zip(rows, files, strict=True)]


def problems(row: Any, plain: bool = True) -> Iterator[str]:
    """Say what is wrong with a row of a list of samples; with `plain`, a file must be the plain name of a picture."""
    known = {field.name for field in fields(Sample)}
    if not isinstance(row, dict) or not {"file", "caption"} <= row.keys() <= known:
        yield f"not an object with file, caption and no other fields than {', '.join(sorted(known))}"
        return
    texts = [row[name] for name in ("file", "caption", "origin", "licence") if name in row]
    if not all(isinstance(text, str) for text in texts) or not row["caption"]:
        yield "file, caption, origin and licence must be text, and caption not empty"
    elif not isinstance(row.get("magnification") or "", str):
        yield f"magnification must be text such as 100X, not {row['magnification']!r}"
    elif plain and (not PLAIN_NAME.fullmatch(row["file"]) or Path(row["file"]).suffix.lower() not in SUFFIXES):
        yield f"{row['file']!r} is not the plain name of a picture in {FOLDER}/"
    scale = row.get("um_per_pixel")
    if scale is not None and (isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale < 1000):
        yield f"um_per_pixel must be a number of micrometres, not {scale!r}"


def _beside(model: LoadedModel, name: str, token: str | bool | None, most: int) -> Path | None:
    place = f"{model.source}/{FOLDER}/{name}"
    try:
        file = model.beside(f"{FOLDER}/{name}", token, most)
        size = file.stat().st_size if file else 0
    except HubError as error:
        raise SamplesError(str(error)) from error
    except (OSError, ValueError) as error:  # a name that no file system accepts
        raise SamplesError(f"{place}: cannot be read.") from error
    if size > most:
        raise SamplesError(f"{place}: larger than {most:,} bytes.")
    return file
