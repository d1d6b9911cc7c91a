"""Training inputs as torch `Dataset`s: pictures decoded and augmented at every draw, or cached features."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from dala.data import loading
from dala.data.items import Item
from dala.images.preprocessing import Preprocessing, normalised
from dala.models.dala_resnet import STAGES
from dala.training.config_parts import FeatureConfig
from dala.training.feature_cache import FeatureCache

__all__ = ["Draw", "FeatureDataset", "PictureDataset", "Source", "quarter_turns"]

# Index of a picture and seed of its augmentation: the same draw in whichever process, and after a resume.
Draw = tuple[int, int]
# Pixels of the picture per position of a stage's map.
STRIDES = dict(zip(STAGES, (4, 4, 8, 16, 32), strict=False))


class PictureDataset(Dataset[tuple[Tensor, int]]):
    """Pictures, decoded and augmented at every draw: crop at native scale, flip, quarter turn, mild colour jitter.

    Args:
        items: all labelled pictures; a draw names one by its index.
        preprocessing: of the network.
        features: crop and jitter.
    """

    first_stage = "stem"

    def __init__(self, items: Sequence[Item], preprocessing: Preprocessing, features: FeatureConfig) -> None:
        self.items, self.preprocessing = items, preprocessing
        j = features.jitter
        self.augment = v2.Compose(
            [
                v2.RandomCrop(features.crop, pad_if_needed=True, padding_mode="edge"),
                v2.RandomHorizontalFlip(),
                v2.Lambda(quarter_turns),
                v2.ColorJitter(j, j, j, j / 5) if j else v2.Identity(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(list(preprocessing.mean), list(preprocessing.std)),
            ]
        )

    def __getitem__(self, draw: Draw) -> tuple[Tensor, int]:
        """(3, crop, crop) float32 of a draw, and the label."""
        index, seed = draw
        picture = loading.at_scale(self.items[index], self.preprocessing)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.augment(v2.functional.pil_to_tensor(picture)), self.items[index].label

    def uncropped(self, index: int) -> Tensor:
        """(3, H, W) float32 of a picture, preprocessed as for inference."""
        return normalised(loading.at_scale(self.items[index], self.preprocessing), self.preprocessing)[0]

    def batches(self, indices: Sequence[int]) -> list[list[int]]:
        """The pictures one by one: their sizes may differ."""
        return [[i] for i in indices]


class FeatureDataset(Dataset[tuple[Tensor, int]]):
    """Cached maps of the last frozen stage, of a random view and cropped at random; a smaller map is repeated.

    Args:
        items: all labelled pictures; a draw names one by its index.
        cache: their features.
        features: first trained stage, number of views, and crop in pixels of the picture.
    """

    def __init__(self, items: Sequence[Item], cache: FeatureCache, features: FeatureConfig) -> None:
        self.items, self.cache, self.views = items, cache, features.views
        self.first_stage = features.train_from
        stride = STRIDES[STAGES[STAGES.index(features.train_from) - 1]]
        self.side = -(-(features.crop or 448) // stride)

    def __getitem__(self, draw: Draw) -> tuple[Tensor, int]:
        """(C, side, side) of a draw, and the label."""
        index, seed = draw
        generator = torch.Generator().manual_seed(seed)
        view, top, left = torch.randint(2**31, (3,), generator=generator).tolist()
        features = self.cache.map(index, view % self.views)
        h, w, _ = features.shape
        if min(h, w) < self.side:
            # Repeated: a stretched edge would weigh more than the tissue.
            features = features.repeat(-(-self.side // h), -(-self.side // w), 1)
            h, w, _ = features.shape
        top, left = top % (h - self.side + 1), left % (w - self.side + 1)
        crop = features[top : top + self.side, left : left + self.side]
        return crop.permute(2, 0, 1), self.items[index].label

    def uncropped(self, index: int) -> Tensor:
        """(C, h, w) of a picture, preprocessed as for inference."""
        return self.cache.map(index).permute(2, 0, 1)

    def batches(self, indices: Sequence[int], size: int = 8) -> list[list[int]]:
        """The pictures in groups of at most `size`, whose maps have one shape."""
        by_shape: dict[tuple[int, int], list[int]] = {}
        for i in indices:
            by_shape.setdefault(self.cache.places[i][1:], []).append(i)
        return [group[k : k + size] for group in by_shape.values() for k in range(0, len(group), size)]


Source = PictureDataset | FeatureDataset


def quarter_turns(x: Tensor) -> Tensor:
    """Turn (..., H, W) by 0, 90, 180 or 270 degrees at random, without interpolation."""
    return torch.rot90(x, int(torch.randint(4, ())), (-2, -1))
