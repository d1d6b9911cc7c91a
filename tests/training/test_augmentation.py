"""Augmentation as a whole: a function of seeds, within its ranges; and mixup within a class."""

import dataclasses

import pytest
import torch
from torchvision.transforms.v2 import functional as F

from dala.images.preprocessing import Preprocessing
from dala.training.augmentation import Augmentation, mixup, numbers, pairs
from dala.training.config_parts import FeatureConfig
from dala.training.photometric import OPERATIONS

PREPROCESSING = Preprocessing(48, 64)
FEATURES = FeatureConfig(height=48, width=64, crop=32)
OFF = dataclasses.replace(FEATURES, scale=0.0, **dict.fromkeys(OPERATIONS, 0.0))


@pytest.fixture
def pictures():
    """Three pictures of different sizes, one of which is smaller than a crop."""
    generator = torch.Generator().manual_seed(0)
    sizes = ((48, 64), (70, 50), (30, 33))
    return [torch.randint(256, (3, *size), generator=generator, dtype=torch.uint8) for size in sizes]


def test_a_crop_depends_on_its_seed_alone(pictures):
    augmentation = Augmentation(dataclasses.replace(FEATURES, degrade=1.0), PREPROCESSING)
    before = torch.get_rng_state()
    x = augmentation.crops(pictures, [3, 4, 5])
    assert x.shape == (3, 3, 32, 32) and x.dtype == torch.float32 and x.isfinite().all()
    assert torch.equal(x, augmentation.crops(pictures, [3, 4, 5]))
    torch.testing.assert_close(x[[2, 0]], augmentation.crops([pictures[2], pictures[0]], [5, 3]))
    assert not torch.allclose(x[0], augmentation.crops(pictures[:1], [6])[0])
    assert torch.equal(torch.get_rng_state(), before)


def test_without_strengths_a_crop_is_a_piece_of_the_picture(pictures):
    x = Augmentation(OFF, PREPROCESSING).crops(pictures[:2], [1, 2])
    mean, std = (torch.tensor(v)[:, None, None] for v in (PREPROCESSING.mean, PREPROCESSING.std))
    for crop, picture in zip(F.to_dtype((x * std + mean).clamp(0, 1), torch.uint8, scale=True), pictures, strict=False):
        every = picture.unfold(1, 32, 1).unfold(2, 32, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
        turns = [torch.rot90(c, k, (1, 2)) for c in (crop, crop.flip(2)) for k in range(4)]
        assert any((every - t.int()).abs().amax((1, 2, 3)).min() <= 1 for t in turns)


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_strength_acts_and_leaves_the_draws_of_the_others(name, pictures):
    on = dataclasses.replace(OFF, degrade=1.0, **{name: 20.0 if name == "jpeg" else 0.5})
    plain, changed = (Augmentation(f, PREPROCESSING).crops(pictures, [7, 8, 9]) for f in (OFF, on))
    # The same crop in the same orientation: nothing but this augmentation differs.
    std = torch.tensor(PREPROCESSING.std)[:, None, None]
    mean = torch.tensor(PREPROCESSING.mean)[:, None, None]
    expected = OPERATIONS[name].apply((plain * std + mean).clamp(0, 1), numbers([7, 8, 9])[name], getattr(on, name))
    torch.testing.assert_close(changed * std + mean, expected, atol=0.02 if name == "jpeg" else 1e-4, rtol=0)
    assert (changed - plain).abs().max() > 0.01


def test_a_share_of_the_pictures_is_degraded():
    picture = torch.randint(256, (3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    seeds = range(400)
    plain = Augmentation(OFF, PREPROCESSING).crops([picture] * 400, seeds)
    sharper = Augmentation(dataclasses.replace(OFF, sharpen=1.0), PREPROCESSING).crops([picture] * 400, seeds)
    share = float(((plain - sharper).abs().amax((1, 2, 3)) > 1e-6).float().mean())
    assert share == pytest.approx(OFF.degrade, abs=0.07)


def test_a_view_is_the_whole_picture_at_its_own_scale(pictures):
    augmentation = Augmentation(FEATURES, PREPROCESSING)
    ratios = []
    for seed in range(20):
        height, width = augmentation.view_size((48, 64), seed)
        ratios.append((height * width / (48 * 64)) ** 0.5)
        if seed < 3:
            assert augmentation.view(pictures[0], seed).shape == (1, 3, height, width)
    assert 0.69 < min(ratios) < 0.85 < 1.15 < max(ratios) < 1.31


@pytest.fixture
def batch():
    """Values, numbers, labels and sources of eleven pictures, three of which are of another class."""
    x = torch.rand(11, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    sources = ["a"] * 4 + ["b"] * 3 + ["c"] + ["a", "b", "b"]
    return x, numbers(range(11))["mixup"], [0] * 8 + [1] * 3, sources


def test_mixup_keeps_the_mean_of_each_class(batch):
    x, u, labels, sources = batch
    mixed = mixup(x, *pairs(u, labels, sources, 1.0))
    assert not torch.equal(mixed, x)
    for label in (0, 1):
        rows = torch.tensor(labels) == label
        torch.testing.assert_close(mixed[rows].mean(0), x[rows].mean(0))


def test_mixup_is_within_a_class_and_across_sources(batch):
    _, u, labels, sources = batch
    # One value for each picture: the share of every other one in the mixed picture can be read off.
    parts = mixup(torch.eye(11)[:, :, None, None], *pairs(u, labels, sources, 1.0))[:, :, 0, 0]
    torch.testing.assert_close(parts.sum(1), torch.ones(11))
    mixed = [(i, j) for i in range(11) for j in range(11) if i != j and parts[i, j]]
    assert len(mixed) == 10, "eight of one class, and two of the other's three"
    assert all(labels[i] == labels[j] and sources[i] != sources[j] for i, j in mixed)
    assert all(parts[i, j] == parts[j, i] for i, j in mixed)


def test_a_picture_alone_in_its_class_is_not_mixed(batch):
    x, u, _, sources = batch
    assert torch.equal(mixup(x[:2], *pairs(u[:2], [0, 1], sources[:2], 1.0)), x[:2])


def test_shares_of_mixup_follow_the_beta_distribution():
    u = numbers(range(2000))["mixup"]
    x = torch.tensor([1.0, 0.0]).repeat(1000)[:, None, None, None]
    labels = [k // 2 for k in range(2000)]
    shares = mixup(x, *pairs(u, labels, [""] * 2000, 0.2))[::2].flatten()
    # Variance of Beta(a, a) is 1 / (4 (2 a + 1)).
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.04)
    assert float(shares.var()) == pytest.approx(1 / 5.6, abs=0.02)
