"""Where a training step's input comes from: pictures decoded and augmented anew, or kept features of frozen stages."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from dala.data import loading
from dala.data.items import Item
from dala.images.preprocessing import Preprocessing, normalised
from dala.training.config import Settings
from dala.training.feature_cache import Frozen

__all__ = ["Decoded", "Draw", "Kept", "quarter_turns"]

# Index of a picture and seed of its augmentation: the same draw whichever process makes it, and after a resume.
Draw = tuple[int, int]


class Decoded(Dataset[tuple[Tensor, int]]):
    """Pictures, decoded and augmented at every draw: crop at native scale, flip, quarter turn, mild jitter of colour.

    Args:
        items: all labelled pictures; a draw names one by its index.
        preprocessing: of the network.
        settings: crop and jitter.
    """

    first = "stem"

    def __init__(self, items: Sequence[Item], preprocessing: Preprocessing, settings: Settings) -> None:
        self.items, self.preprocessing = items, preprocessing
        j = settings.jitter
        self.augment = v2.Compose(
            [
                v2.RandomCrop(settings.crop, pad_if_needed=True, padding_mode="edge"),
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

    def whole(self, index: int) -> Tensor:
        """(3, H, W) float32 of a picture as the app sees it."""
        return normalised(loading.at_scale(self.items[index], self.preprocessing), self.preprocessing)[0]


class Kept(Dataset[tuple[Tensor, int]]):
    """Maps of the last frozen stage, of a random view and cropped at random; a smaller map is repeated.

    Args:
        items: all labelled pictures; a draw names one by its index.
        frozen: their features.
        settings: crop, in pixels of the picture.
        stride: pixels of the picture for one position of a map.
    """

    def __init__(self, items: Sequence[Item], frozen: Frozen, settings: Settings, stride: int) -> None:
        self.items, self.frozen, self.first = items, frozen, settings.train_from
        self.views = settings.views
        self.side = -(-(settings.crop or 448) // stride)

    def __getitem__(self, draw: Draw) -> tuple[Tensor, int]:
        """(C, side, side) of a draw, and the label."""
        index, seed = draw
        generator = torch.Generator().manual_seed(seed)
        view, top, left = torch.randint(2**31, (3,), generator=generator).tolist()
        kept = self.frozen.map(index, view % self.views)
        h, w, _ = kept.shape
        if min(h, w) < self.side:
            # Repeated, since an edge that is drawn out would weigh more than the tissue.
            kept = kept.repeat(-(-self.side // h), -(-self.side // w), 1)
            h, w, _ = kept.shape
        top, left = top % (h - self.side + 1), left % (w - self.side + 1)
        crop = kept[top : top + self.side, left : left + self.side]
        return crop.permute(2, 0, 1), self.items[index].label

    def whole(self, index: int) -> Tensor:
        """(C, h, w) of a picture as the app sees it."""
        return self.frozen.map(index).permute(2, 0, 1)


def quarter_turns(x: Tensor) -> Tensor:
    """(..., H, W) turned by 0, 90, 180 or 270 degrees at random, exactly and without interpolation."""
    return torch.rot90(x, int(torch.randint(4, ())), (-2, -1))
