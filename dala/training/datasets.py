"""Training inputs as torch `Dataset`s of batches: pictures augmented at every draw, or cached features."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info
from torchvision.transforms import v2

from dala.data import loading
from dala.data.items import Item
from dala.images.preprocessing import Preprocessing, normalised
from dala.models.dala_resnet import STAGES
from dala.training.augmentation import Augmentation, mixup, numbers, pairs
from dala.training.config_parts import FeatureConfig
from dala.training.frozen_features import FeatureCache

__all__ = ["Batch", "Draw", "FeatureDataset", "PictureDataset", "Source", "mixed"]

# Index of a picture and seed of its augmentation: the same draw in whichever process, and after a resume.
Draw = tuple[int, int]
# All draws of a step, and which of them this process trains on.
Batch = tuple[Sequence[Draw], Sequence[int]]
# Bytes of decoded pictures that are kept: some 2,000 of 460 x 700 pixels.
MEMORY = 2**31
# Pixels of the picture per position of a stage's map.
STRIDES = dict(zip(STAGES, (4, 4, 8, 16, 32), strict=False))


class PictureDataset(Dataset[tuple[Tensor, Tensor]]):
    """Pictures at native scale, augmented at every draw by `Augmentation`.

    Decoded pictures are kept in memory, up to `MEMORY` bytes.

    Args:
        items: all labelled pictures; a draw names one by its index.
        preprocessing: of the network.
        features: crop, and strengths of the augmentation.
    """

    first_stage = "stem"

    def __init__(self, items: Sequence[Item], preprocessing: Preprocessing, features: FeatureConfig) -> None:
        self.items, self.preprocessing, self.features = items, preprocessing, features
        self.augmentation = Augmentation(features, preprocessing)
        self._decoded: dict[int, Tensor] = {}
        self._room = MEMORY

    def __getitem__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(n, 3, crop, crop) float32 of n draws of a batch, and their labels (n,)."""
        return mixed(self._crops, batch, self.items, self.features.class_mixup)

    def _crops(self, draws: Sequence[Draw]) -> Tensor:
        return self.augmentation.crops([self._pixels(index) for index, _ in draws], [seed for _, seed in draws])

    def uncropped(self, index: int) -> Tensor:
        """(3, H, W) float32 of a picture, preprocessed as for inference."""
        return normalised(loading.at_scale(self.items[index], self.preprocessing), self.preprocessing)[0]

    def batches(self, indices: Sequence[int]) -> list[list[int]]:
        """The pictures one by one: their sizes may differ."""
        return [[i] for i in indices]

    def _pixels(self, index: int) -> Tensor:
        """(3, H, W) uint8 of a picture at the training scale."""
        pixels = self._decoded.get(index)
        if pixels is None:
            pixels = v2.functional.pil_to_tensor(loading.at_scale(self.items[index], self.preprocessing))
            # A worker ends with its epoch, and so would its memory.
            if pixels.nbytes <= self._room and get_worker_info() is None:
                self._decoded[index] = pixels
                self._room -= pixels.nbytes
        return pixels


class FeatureDataset(Dataset[tuple[Tensor, Tensor]]):
    """Cached maps of the last frozen stage, of a random view and cropped at random; a smaller map is repeated.

    Args:
        items: all labelled pictures; a draw names one by its index.
        cache: their features.
        features: first trained stage, number of views, crop in pixels of the picture, and mixup within a class.
    """

    def __init__(self, items: Sequence[Item], cache: FeatureCache, features: FeatureConfig) -> None:
        self.items, self.cache, self.features = items, cache, features
        self.first_stage = features.train_from
        stride = STRIDES[STAGES[STAGES.index(features.train_from) - 1]]
        self.side = -(-(features.crop or 448) // stride)

    def __getitem__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(n, C, side, side) of n draws of a batch, and their labels (n,)."""
        return mixed(self._crops, batch, self.items, self.features.class_mixup)

    def _crops(self, draws: Sequence[Draw]) -> Tensor:
        return torch.stack([self._crop(index, seed) for index, seed in draws])

    def _crop(self, index: int, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        view, top, left = torch.randint(2**31, (3,), generator=generator).tolist()
        features = self.cache.map(index, view % self.features.views)
        h, w, _ = features.shape
        if min(h, w) < self.side:
            # Repeated: a stretched edge would weigh more than the tissue.
            features = features.repeat(-(-self.side // h), -(-self.side // w), 1)
            h, w, _ = features.shape
        top, left = top % (h - self.side + 1), left % (w - self.side + 1)
        return features[top : top + self.side, left : left + self.side].permute(2, 0, 1)

    def uncropped(self, index: int) -> Tensor:
        """(C, h, w) of a picture, preprocessed as for inference."""
        return self.cache.map(index).permute(2, 0, 1)

    def batches(self, indices: Sequence[int], size: int = 8) -> list[list[int]]:
        """The pictures in groups of at most `size`, whose maps have one shape."""
        by_shape: dict[tuple[int, int], list[int]] = {}
        for i in indices:
            by_shape.setdefault(self.cache.places[i][0][1:], []).append(i)
        return [group[k : k + size] for group in by_shape.values() for k in range(0, len(group), size)]


Source = PictureDataset | FeatureDataset


def mixed(
    crops: Callable[[Sequence[Draw]], Tensor], batch: Batch, items: Sequence[Item], alpha: float
) -> tuple[Tensor, Tensor]:
    """This process's part of a batch after mixup within a class: (n, C, H, W), and the labels (n,).

    Pairs are of the whole batch, so that several processes train what one does; a partner in another process's part is
    computed here, too.

    Args:
        crops: draws -> pictures or maps.
        batch: all draws of a step, and the rows of this process.
        items: all labelled pictures.
        alpha: of mixup; 0: none.
    """
    draws, rows = batch
    labels = torch.tensor([items[draws[i][0]].label for i in rows])
    if not alpha:
        return crops([draws[i] for i in rows]), labels
    drawn = [items[index] for index, _ in draws]
    u = numbers([seed for _, seed in draws])["mixup"]
    partner, share = pairs(u, [i.label for i in drawn], [i.source for i in drawn], alpha)
    needed = list(dict.fromkeys([*rows, *(partner[i] for i in rows)]))
    place = {row: k for k, row in enumerate(needed)}
    x = crops([draws[i] for i in needed])
    return mixup(x, [place[partner[i]] for i in needed], [share[i] for i in needed])[: len(rows)], labels
