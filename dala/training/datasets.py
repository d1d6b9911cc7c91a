"""Training inputs as torch `Dataset`s of batches: pictures augmented at every draw, or cached features."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info
from torchvision.transforms import v2

from dala.data import loading
from dala.data.items import Item
from dala.images.preprocessing import Preprocessing, normalised
from dala.models.dala_resnet import STAGES
from dala.training.augmentation import Augmentation, mixup, numbers
from dala.training.config_parts import FeatureConfig
from dala.training.frozen_features import FeatureCache

__all__ = ["Draw", "FeatureDataset", "PictureDataset", "Source", "mixed"]

# Index of a picture and seed of its augmentation: the same draw in whichever process, and after a resume.
Draw = tuple[int, int]
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

    def __getitem__(self, draws: Sequence[Draw]) -> tuple[Tensor, Tensor]:
        """(N, 3, crop, crop) float32 of N draws, and their labels (N,)."""
        seeds = [seed for _, seed in draws]
        x = self.augmentation.crops([self._pixels(index) for index, _ in draws], seeds)
        return mixed(x, draws, self.items, self.features.class_mixup)

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

    def __getitem__(self, draws: Sequence[Draw]) -> tuple[Tensor, Tensor]:
        """(N, C, side, side) of N draws, and their labels (N,)."""
        x = torch.stack([self._crop(index, seed) for index, seed in draws])
        return mixed(x, draws, self.items, self.features.class_mixup)

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


def mixed(x: Tensor, draws: Sequence[Draw], items: Sequence[Item], alpha: float) -> tuple[Tensor, Tensor]:
    """Apply `mixup` to the pictures or maps (N, C, H, W) of a batch of draws, and add their labels (N,)."""
    drawn = [items[index] for index, _ in draws]
    labels, sources = [item.label for item in drawn], [item.source for item in drawn]
    if alpha:
        x = mixup(x, numbers([seed for _, seed in draws])["mixup"], labels, sources, alpha)
    return x, torch.tensor(labels)
