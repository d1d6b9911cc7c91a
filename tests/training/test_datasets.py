"""Training inputs: augmentation of pictures, and crops of cached features."""

from pathlib import Path

import torch

from dala.data.items import Item
from dala.training.config_parts import FeatureConfig
from dala.training.datasets import FeatureDataset, quarter_turns
from dala.training.feature_cache import FeatureCache


def test_a_quarter_turn_moves_pixels_and_changes_none():
    x = torch.arange(48.0).reshape(3, 4, 4)
    torch.manual_seed(0)
    seen = {tuple(quarter_turns(x).flatten().tolist()) for _ in range(50)}
    assert len(seen) == 4
    assert all(sorted(s) == x.flatten().tolist() for s in seen)


def test_a_map_smaller_than_the_crop_is_repeated():
    storage = torch.arange(2 * 3 * 4).float()
    cache = FeatureCache(storage, [(0, 2, 3)], 4, {})
    source = FeatureDataset([Item(Path("a.png"), 1, "p", "p")], cache, FeatureConfig(crop=96, views=1))
    crop, label = source[0, 7]
    assert crop.shape == (4, 6, 6) and label == 1
    features = cache.map(0).permute(2, 0, 1)
    assert {tuple(v) for v in crop.flatten(1).T.tolist()} == {tuple(v) for v in features.flatten(1).T.tolist()}
    assert torch.allclose(crop.mean((1, 2)), features.mean((1, 2)))


def test_maps_of_one_shape_are_batched():
    places = [(0, 2, 3), (24, 3, 2), *((48 + 24 * k, 2, 3) for k in range(9))]
    cache = FeatureCache(torch.zeros(24 * 11), places, 4, {})
    items = [Item(Path(f"{k}.png"), 0, "p", "p") for k in range(11)]
    source = FeatureDataset(items, cache, FeatureConfig(crop=96, views=1))
    assert source.batches(range(11)) == [[0, 2, 3, 4, 5, 6, 7, 8], [9, 10], [1]]
