"""Load labelled pictures at the network's scale; logits and colour statistics of them."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from dala.data.items import DataError, Item
from dala.images import reading
from dala.images.preprocessing import MOST_AREAS, ImageError, Preprocessing, fit, normalised, zoomed
from dala.images.shifts import SHIFTS

__all__ = ["LEAST", "at_scale", "picture_loader", "read"]

LEAST = 192


def read(item: Item) -> Image.Image:
    """Read the RGB picture of an item, with its acquisition shift.

    Raises:
        DataError: it cannot be used; the message names the file.
    """
    try:
        picture = reading.read(item.path)
        return SHIFTS[item.shift].apply(picture) if item.shift else picture
    except ImageError as error:
        raise DataError(f"{item.path}: {error}") from error


def at_scale(item: Item, preprocessing: Preprocessing) -> Image.Image:
    """Read the picture of an item at the training scale.

    A picture with a zoom is resized by it, and cropped to its centre if it shows much more tissue than a patch; any
    other is fitted as in the app. What is smaller than a patch stays smaller, but below `LEAST` pixels a side (or the
    training size) it is continued by reflection: of a tile of two cells a network sees little but its own padding.

    Raises:
        DataError: it cannot be used, or too small a part of it is left.
    """
    picture = read(item)
    if item.zoom is None:
        return fit(picture, preprocessing)
    zoom = item.zoom * preprocessing.enlargement
    most = MOST_AREAS * preprocessing.height * preprocessing.width
    share = min(1.0, (most / (picture.width * picture.height)) ** 0.5 / zoom)
    size = int(picture.height * share), int(picture.width * share)
    try:
        scaled = zoomed(v2.functional.center_crop(picture, list(size)), zoom, preprocessing)
    except ImageError as error:
        raise DataError(f"{item.path}: {error}") from error
    return _continued(scaled, min(LEAST, preprocessing.height, preprocessing.width))


def _continued(picture: Image.Image, least: int) -> Image.Image:
    """Continue a small picture to the right and below by its reflection, to at least `least` pixels a side."""
    right, below = (max(0, least - side) for side in picture.size)
    if not right and not below:
        return picture
    return Image.fromarray(np.pad(np.asarray(picture), ((0, below), (0, right), (0, 0)), "symmetric"))


class _Pictures(Dataset[torch.Tensor]):
    def __init__(self, items: Sequence[Item], preprocessing: Preprocessing) -> None:
        self.items, self.preprocessing = items, preprocessing

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> torch.Tensor:
        return normalised(at_scale(self.items[index], self.preprocessing), self.preprocessing)


def picture_loader(items: Sequence[Item], preprocessing: Preprocessing, workers: int | None) -> Iterable[torch.Tensor]:
    """Iterate over the pictures at the training scale, preprocessed as in the app: (1, 3, H, W) float32 tensors."""
    return DataLoader(_Pictures(items, preprocessing), batch_size=None, num_workers=workers or 0)
