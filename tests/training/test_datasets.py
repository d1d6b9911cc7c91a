"""Training inputs: augmentation of pictures, and crops of cached features."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dala.data.items import DataError, Item
from dala.images.preprocessing import Preprocessing
from dala.training import datasets
from dala.training.config_parts import FeatureConfig
from dala.training.datasets import FeatureDataset, PictureDataset
from dala.training.frozen_features import FeatureCache


def test_a_map_smaller_than_the_crop_is_repeated():
    storage = torch.arange(2 * 3 * 4).float()
    cache = FeatureCache((storage,), [0], [[(0, 2, 3)]], 4, {})
    source = FeatureDataset([Item(Path("a.png"), 1, "p", "p")], cache, FeatureConfig(crop=96, views=1))
    crop, label = (part[0] for part in source[[(0, 7)], [0]])
    assert crop.shape == (4, 6, 6) and label == 1
    features = cache.map(0).permute(2, 0, 1)
    assert {tuple(v) for v in crop.flatten(1).T.tolist()} == {tuple(v) for v in features.flatten(1).T.tolist()}
    assert torch.allclose(crop.mean((1, 2)), features.mean((1, 2)))


def test_maps_of_one_shape_are_batched():
    places = [[(0, 2, 3)], [(24, 3, 2)], *([(48 + 24 * k, 2, 3)] for k in range(9))]
    cache = FeatureCache((torch.zeros(24 * 11),), [0] * len(places), places, 4, {})
    items = [Item(Path(f"{k}.png"), 0, "p", "p") for k in range(11)]
    source = FeatureDataset(items, cache, FeatureConfig(crop=96, views=1))
    assert source.batches(range(11)) == [[0, 2, 3, 4, 5, 6, 7, 8], [9, 10], [1]]


def picture_source(folder, **features):
    """Four pictures of two sizes, read from files."""
    items = []
    for k, size in enumerate(((64, 48), (80, 60), (64, 48), (40, 40))):
        pixels = np.random.default_rng(k).integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{k}.png")
        items.append(Item(folder / f"{k}.png", k % 2, f"p{k}", f"p{k}", zoom=1.0))
    return PictureDataset(items, Preprocessing(48, 64), FeatureConfig(height=48, width=64, crop=32, **features))


def test_a_batch_of_pictures_is_a_function_of_its_draws(tmp_path):
    source = picture_source(tmp_path, class_mixup=1.0)
    draws = [(0, 5), (3, 6), (2, 7), (1, 8)]
    x, labels = source[draws, range(4)]
    assert x.shape == (4, 3, 32, 32) and labels.tolist() == [0, 1, 0, 1]
    assert all(torch.equal(one, two) for one, two in zip(source[draws, range(4)], (x, labels), strict=True))
    # Mixed within a class: the class's mean is that of the unmixed crops.
    crops, _ = picture_source(tmp_path, class_mixup=0.0)[draws, range(4)]
    assert not torch.allclose(x, crops)
    torch.testing.assert_close(x[::2].mean(0), crops[::2].mean(0))
    # Two processes share what one computes.
    for rows in ([0, 2], [1, 3], [0, 1], [3]):
        part, known = source[draws, rows]
        torch.testing.assert_close(part, x[rows])
        assert torch.equal(known, labels[rows])


def test_pictures_are_decoded_once_as_long_as_there_is_room(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "MEMORY", 2 * 64 * 48 * 3)
    source = picture_source(tmp_path, class_mixup=0.0)
    fits, too_many = [(0, 1), (2, 1)], [(1, 1)]
    first, _ = source[fits, range(2)]
    source[too_many, range(1)]
    for name in ("0.png", "1.png", "2.png"):
        (tmp_path / name).unlink()
    assert torch.equal(source[fits, range(2)][0], first)
    with pytest.raises(DataError, match=r"1\.png"):
        source[too_many, range(1)]
