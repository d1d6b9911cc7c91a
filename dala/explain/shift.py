"""`shift.json`: the laboratories that weights were trained on, fitted, stored beside the weights.

With it, `Explanation.shift` says of a picture from another laboratory that its probability does not hold. Without the
file nothing is compared, and nothing is claimed.
"""

import json
import warnings
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
from PIL import Image
from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from dala import files, models
from dala.errors import DalaError
from dala.hub import typed_json
from dala.hub.errors import HubError
from dala.hub.layout import SHIFT
from dala.images import laboratory
from dala.images.laboratory import Laboratories, Laboratory

__all__ = ["FILE", "MOST_BYTES", "Rate", "Rates", "ShiftError", "ShiftFile", "beside", "laboratories", "read", "write"]

FILE = SHIFT
MOST_BYTES, MOST_LETTERS, MOST = 2_000_000, 80, 100
AGAIN = "write it again with `python -m dala shift`, or remove it"
Title: TypeAlias = Annotated[str, Field(min_length=1, max_length=MOST_LETTERS)]
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)]
Positive: TypeAlias = Annotated[float, Field(allow_inf_nan=False, gt=0, le=1e9)]
Share: TypeAlias = Annotated[float, Field(gt=0, lt=1)]
Row: TypeAlias = Annotated[list[Number], Field(max_length=MOST)]


class ShiftError(DalaError):
    """A `shift.json` that cannot be used."""


class LaboratoryEntry(TypedDict):
    """A `dala.images.laboratory.Laboratory`."""

    title: Title
    pictures: int
    side: Positive
    mean: Row
    scale: Annotated[list[Positive], Field(max_length=MOST)]
    precision: Annotated[list[Row], Field(max_length=MOST)]
    threshold: Positive
    share: Share


class Rate(TypedDict):
    """How often the check speaks: of `pictures`, on `spoken`; and the median distance, 1 being the threshold."""

    title: Title
    pictures: Annotated[int, Field(ge=1)]
    spoken: Annotated[int, Field(ge=0)]
    median: Number


class Rates(TypedDict):
    """Error rates; see `dala.evaluation.laboratories.measured`."""

    own: Annotated[list[Rate], Field(max_length=MOST)]
    left_out: Annotated[list[Rate], Field(max_length=MOST)]
    outside: Annotated[list[Rate], Field(max_length=MOST)]


class ShiftFile(TypedDict):
    """Content of the file: SHA-256 of the weights, names of the statistics, the laboratories, measured error rates."""

    sha256: str
    statistics: Annotated[list[str], Field(min_length=1, max_length=MOST)]
    laboratories: Annotated[list[LaboratoryEntry], Field(min_length=1, max_length=MOST)]
    measured: Rates


_FILE = TypeAdapter(ShiftFile)


def beside(origin: models.LoadedModel) -> Laboratories | None:
    """The laboratories in the file beside weights; None where there is no such file.

    A Hub that is not reached gives a Python warning and None: the weights are used as if they came without the file.

    Raises:
        ShiftError: the file is damaged, or of other weights.
    """
    try:
        file = origin.beside(FILE, most=MOST_BYTES)
    except HubError as error:
        warnings.warn(f"Pictures are not compared with the laboratories in training: {error}", stacklevel=2)
        return None
    return laboratories(read(file, origin.sha256)) if file else None


def read(file: Path, sha256: str) -> ShiftFile:
    """Read the file of `write`.

    Args:
        file: untrusted; it may come from any repository.
        sha256: of the weights.

    Raises:
        ShiftError: not such a file, or one of other weights.
    """
    content = typed_json.read(file, _FILE, MOST_BYTES, ShiftError, AGAIN)
    if content["sha256"] != sha256:
        raise ShiftError(f"{file}: fitted for other weights; {AGAIN}.")
    known = laboratory.statistics(Image.new("RGB", (1, 1)))
    n = len(content["statistics"])
    if not set(content["statistics"]) <= known.keys():
        raise ShiftError(f"{file}: names statistics that this version does not know; {AGAIN}.")
    for entry in content["laboratories"]:
        shapes = {n, len(entry["mean"]), len(entry["scale"]), len(entry["precision"]), *map(len, entry["precision"])}
        if shapes != {n} or not entry["title"].isprintable():
            raise ShiftError(f"{file}: a laboratory does not fit its {n} statistics; {AGAIN}.")
    return content


def laboratories(content: ShiftFile) -> Laboratories:
    """The laboratories of a file that was read."""
    return Laboratories(tuple(content["statistics"]), tuple(map(_laboratory, content["laboratories"])))


def write(folder: Path, fitted: Laboratories, measured: dict[str, Any], sha256: str) -> Path:
    """Write the file with the SHA-256 of its weights and with measured error rates; return its path.

    Raises:
        DiskError: no space, or no permission.
    """
    content = {
        "sha256": sha256,
        "statistics": list(fitted.names),
        "laboratories": [_entry(one) for one in fitted.sources],
        "measured": measured,
    }
    files.write(folder / FILE, json.dumps(content) + "\n")
    return folder / FILE


def _laboratory(entry: LaboratoryEntry) -> Laboratory:
    arrays = {key: np.array(entry[key], np.float64) for key in ("mean", "scale", "precision")}
    return Laboratory(
        entry["title"], entry["pictures"], entry["side"], **arrays, threshold=entry["threshold"], share=entry["share"]
    )


def _entry(one: Laboratory) -> dict[str, Any]:
    rounded = {key: _significant(getattr(one, key)) for key in ("mean", "scale", "precision")}
    numbers = {"side": round(one.side, 1), "threshold": round(one.threshold, 4), "share": one.share}
    return {"title": one.title[:MOST_LETTERS], "pictures": one.pictures, **numbers, **rounded}


def _significant(values: np.ndarray) -> Any:
    """Six significant digits, as nested lists."""
    return [_significant(v) for v in values] if values.ndim > 1 else [float(f"{v:.6g}") for v in values.tolist()]
