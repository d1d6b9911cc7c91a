"""Scores of a network, and of colour alone, on labelled pictures."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, Dataset

from dala import images, metrics
from dala.data import DataError, Item, balanced_weights
from dala.model import DALAResNet50

__all__ = ["colour_features", "colour_probabilities", "picture_loader", "probabilities", "read", "report"]


def read(item: Item) -> Image.Image:
    """The RGB picture of an item; DataError naming the file if it cannot be used."""
    try:
        return images.read(item.path)
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
def probabilities(
    model: DALAResNet50, items: Sequence[Item], workers: int | None = 0, bf16: bool = False
) -> np.ndarray:
    """Class probabilities (n, classes) of the network in evaluation mode, each picture whole and as in the app."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    rows = []
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for x in picture_loader(items, model.preprocessing, workers):
            rows.append(model(x.to(device, memory_format=torch.channels_last)).float().softmax(1).cpu())
    model.train(was_training)
    return torch.cat(rows).numpy()


def report(items: Sequence[Item], predicted: np.ndarray) -> metrics.Report:
    """`dala.metrics.report` of class probabilities (n, classes) on labelled pictures."""
    return metrics.report(np.array([i.label for i in items]), predicted, np.array([i.patient for i in items]))


def colour_features(pixels: np.ndarray) -> np.ndarray:
    """15 statistics of colour without any structure: mean, std and three percentiles of each channel's optical density.

    Optical density is -log10((I + 1) / 256) (Beer-Lambert), in which stain concentrations add up.

    Args:
        pixels: (H, W, 3) uint8.
    """
    density = -np.log10((pixels.reshape(-1, 3).astype(np.float32) + 1) / 256)
    return np.concatenate([density.mean(0), density.std(0), np.percentile(density, (10, 50, 90), axis=0).ravel()])


def colour_probabilities(train: Sequence[Item], test: Sequence[Item]) -> np.ndarray:
    """Class probabilities (n, classes) for `test` of a logistic regression on `colour_features` of `train`.

    The yardstick for any network: what it does not add to this, it may owe to the stain. Classes and patients are
    weighted equally, as in training.
    """
    x, z = (np.stack([colour_features(np.asarray(read(i))) for i in side]) for side in (train, test))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    weights = balanced_weights(train) * len(train)
    model.fit(x, [i.label for i in train], logisticregression__sample_weight=weights)
    return model.predict_proba(z)
