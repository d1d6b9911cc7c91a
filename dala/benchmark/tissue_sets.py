"""Real tissue for `dala.benchmark.tissue_maps`: fields with outlined tumour, malignant regions and patches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dala.benchmark import cases
from dala.benchmark.measures import Case
from dala.data import datasets
from dala.data.items import DataError, Item
from dala.explain.explainer import Explainer
from dala.images import preprocessing, reading, tiles

__all__ = ["KINDS", "MASK", "Field", "crops", "field_files", "malignant_items", "regions", "whole_fields"]

KINDS = {
    "fields": "whole fields with outlined tumour",
    "crops": "parts of these fields, of the size of a patch",
    "regions": "malignant regions of another laboratory",
    "patches": "malignant patches",
}
MASK = "_tumourmask.png"
# Fields have about 0.25 µm per pixel; networks trained on BreakHis at 100X expect about 1 µm.
WHOLE, CROP = 0.25, 0.5
Tick = Callable[[], None]


@dataclass(frozen=True)
class Field:
    """A field: its picture, and its mask, white where most is tumour."""

    picture: Path
    mask: Path


def field_files(folder: Path) -> list[Field]:
    """List the fields of a folder: pictures NAME.jpg, each with a mask NAME_tumourmask.png.

    Raises:
        DataError: no such folder, or no picture with a mask.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name the one that contains the fields.")
    found = [Field(p, p.with_name(p.stem + MASK)) for p in reading.pictures(folder)]
    fields = [f for f in found if f.mask.is_file()]
    if not fields:
        raise DataError(f"{folder}: no picture NAME.jpg with a mask NAME{MASK} in or below this folder.")
    return fields


def whole_fields(explainer: Explainer, fields: Sequence[Field], tick: Tick = lambda: None) -> list[Case]:
    """Explain each field as one picture, at `WHOLE` of its size.

    Raises:
        ImageError: a field that cannot be read, or is too large for one picture.
        DataError: a mask of another size than its field.
    """
    result = []
    for field in fields:
        picture, mask = _read(field)
        result.append(_part(explainer, field, picture, mask, WHOLE))
        tick()
    return result


def crops(explainer: Explainer, fields: Sequence[Field], tick: Tick = lambda: None) -> list[Case]:
    """Explain each field in parts of the training size, at `CROP` of its size; see `dala.images.tiles.boxes`.

    Raises:
        ImageError, DataError: as `whole_fields`.
    """
    size = explainer.preprocessing
    result = []
    for field in fields:
        picture, mask = _read(field)
        for box in tiles.boxes(picture, (round(size.width / CROP), round(size.height / CROP))):
            result.append(_part(explainer, field, picture.crop(box), mask.crop(box), CROP))
        tick()
    return result


def malignant_items(items: Sequence[Item], class_names: Sequence[str], root: Path) -> list[Item]:
    """Return the items of the class that is explained.

    Raises:
        DataError: no such class.
    """
    if cases.CLASS not in class_names:
        raise DataError(f"{root}: no pictures of a class named {cases.CLASS}; there are {', '.join(class_names)}.")
    return [i for i in items if i.label == class_names.index(cases.CLASS)]


def regions(explainer: Explainer, folder: Path, tick: Tick = lambda: None) -> list[Case]:
    """Explain the pictures in the sub-folder "malignant" of a folder of classes; each is a group of its own.

    They are resized to the area of a patch, as the app does where the scale is unknown.

    Raises:
        DataError, ImageError: a folder or a picture that cannot be used.
    """
    dataset = datasets.read(folder, "folder")
    result = []
    for item in malignant_items(dataset.items, dataset.class_names, folder):
        picture = preprocessing.fit(reading.read(item.path), explainer.preprocessing)
        result.append(cases.explained(explainer, picture, None, item.patient))
        tick()
    return result


def _read(field: Field) -> tuple[Image.Image, Image.Image]:
    picture, mask = reading.read(field.picture), reading.read(field.mask)
    if picture.size != mask.size:
        raise DataError(f"{field.mask}: has {mask.size} pixels and its picture {picture.size}; they have to be equal.")
    return picture, mask


def _part(explainer: Explainer, field: Field, picture: Image.Image, mask: Image.Image, zoom: float) -> Case:
    small = preprocessing.zoomed(picture, zoom, explainer.preprocessing)
    return cases.explained(explainer, small, _mask(mask, small.size), field.picture.stem)


def _mask(mask: Image.Image, size: tuple[int, int]) -> Tensor:
    """(H, W) bool: true where at least half of a pixel is white."""
    grey = mask.convert("L").resize(size, Image.Resampling.BOX)
    return torch.from_numpy(np.array(grey)) >= 128
