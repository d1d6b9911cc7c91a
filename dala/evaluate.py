"""What a network, and what colour alone, sees in labelled pictures."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from dala import images
from dala.data import DataError, Item
from dala.model import DALAResNet50

__all__ = ["at_scale", "colour_features", "logits", "picture_loader", "read"]


def read(item: Item) -> Image.Image:
    """The RGB picture of an item; DataError naming the file if it cannot be used."""
    try:
        return images.read(item.path)
    except images.ImageError as error:
        raise DataError(f"{item.path}: {error}") from error


def at_scale(item: Item, preprocessing: images.Preprocessing) -> Image.Image:
    """The picture of an item as a network is trained on it: as the app sees it, or resized to the training scale where
    its magnification is known to be another; of one that shows much more tissue than a patch its middle.

    Raises:
        DataError: it cannot be used, or too little is left of it.
    """
    picture, own = read(item), item.magnification
    zoom = images.zoom_of(own, preprocessing) if own and own != preprocessing.magnification else None
    if not zoom:
        return images.fit(picture, preprocessing)
    most = images.MOST_AREAS * preprocessing.height * preprocessing.width
    share = min(1.0, (most / (picture.width * picture.height)) ** 0.5 / zoom)
    size = int(picture.height * share), int(picture.width * share)
    try:
        return images.zoomed(v2.functional.center_crop(picture, list(size)), zoom, preprocessing)
    except images.ImageError as error:
        raise DataError(f"{item.path}: {error}") from error


class _Pictures(Dataset[torch.Tensor]):
    def __init__(self, items: Sequence[Item], preprocessing: images.Preprocessing) -> None:
        self.items, self.preprocessing = items, preprocessing

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> torch.Tensor:
        return images.to_tensor(read(self.items[index]), self.preprocessing)


def picture_loader(
    items: Sequence[Item], preprocessing: images.Preprocessing, workers: int | None
) -> Iterable[torch.Tensor]:
    """The pictures one by one, as the app preprocesses them: an iterable of (1, 3, H, W) float32 tensors."""
    return DataLoader(_Pictures(items, preprocessing), batch_size=None, num_workers=workers or 0)


@torch.inference_mode()
def logits(model: DALAResNet50, items: Sequence[Item], workers: int | None = 0, bf16: bool = False) -> np.ndarray:
    """Logits (n, classes) of the network in evaluation mode, each picture whole and as in the app."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    rows = []
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for x in picture_loader(items, model.preprocessing, workers):
            rows.append(model(x.to(device, memory_format=torch.channels_last)).float().cpu())
    model.train(was_training)
    return torch.cat(rows).numpy()


def colour_features(pixels: np.ndarray) -> np.ndarray:
    """15 statistics of colour without any structure: mean, std and three percentiles of each channel's optical density.

    Optical density is -log10((I + 1) / 256) (Beer-Lambert), in which stain concentrations add up.

    Args:
        pixels: (H, W, 3) uint8.
    """
    density = -np.log10((pixels.reshape(-1, 3).astype(np.float32) + 1) / 256)
    return np.concatenate([density.mean(0), density.std(0), np.percentile(density, (10, 50, 90), axis=0).ravel()])
