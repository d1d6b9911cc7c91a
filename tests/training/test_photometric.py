"""Augmentations of pixels against scikit-image, torchvision and the standard of JPEG."""

import numpy as np
import pytest
import torch
from skimage.color import combine_stains, rgb2hed, separate_stains
from torchvision.transforms.v2 import functional as F

from dala.training import photometric
from dala.training.photometric import BASIS, OPERATIONS

# scikit-image divides natural optical densities by the logarithm of the smallest intensity that it tells from 0.
UNIT = -np.log(1e-6)


@pytest.fixture
def pictures():
    """Two smooth pictures of values that stay inside 0 to 1 under small changes."""
    noise = torch.rand(2, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    return F.resize(noise, [48, 64]).mul(0.6).add(0.2)


def some(name, rows=2):
    return torch.rand(rows, OPERATIONS[name].draws, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", OPERATIONS)
def test_strength_zero_changes_nothing(name, pictures):
    before = pictures.clone()
    torch.testing.assert_close(OPERATIONS[name].apply(pictures, some(name), 0.0), before, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("name", "strength"), [("stain", 0.9), ("blur", 5), ("colour", 1), ("sharpen", 10), ("jpeg", 99)]
)
def test_the_greatest_strength_gives_pictures_and_leaves_the_input(name, strength, pictures):
    pictures = torch.cat([pictures, torch.zeros(1, 3, 48, 64), torch.ones(1, 3, 48, 64)])
    before = pictures.clone()
    for u in (torch.zeros(4, OPERATIONS[name].draws), some(name, 4), torch.full((4, OPERATIONS[name].draws), 0.999)):
        changed = OPERATIONS[name].apply(pictures, u, strength)
        assert changed.shape == pictures.shape and changed.dtype == torch.float32
        assert changed.min() >= 0 and changed.max() <= 1
    assert torch.equal(pictures, before)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_picture_does_not_depend_on_its_batch(name, pictures):
    together = OPERATIONS[name].apply(pictures, some(name), 0.5)
    torch.testing.assert_close(together[1:], OPERATIONS[name].apply(pictures[1:], some(name)[1:], 0.5))


def test_amounts_of_stain_are_those_of_scikit_image(pictures):
    """On pictures whose amounts stay positive: scikit-image cuts negative ones off."""
    u, strength = some("stain"), 0.2
    pictures = (256 * torch.exp(-torch.einsum("kj,nkhw->njhw", BASIS, pictures + 0.1)) - 1) / 255
    changed = photometric.stain(pictures, u, strength).numpy()
    basis = BASIS.double().numpy()
    for before, after, row in zip(pictures.double().numpy(), changed, u.double().numpy(), strict=True):
        amounts = separate_stains((255 * before.transpose(1, 2, 0) + 1) / 256, np.linalg.inv(basis)) * UNIT
        amounts = amounts * (1 + strength * (2 * row[:3] - 1)) + strength / 2 * (2 * row[3:] - 1)
        expected = (256 * combine_stains(amounts / UNIT, basis) - 1) / 255
        np.testing.assert_allclose(after.transpose(1, 2, 0), expected.clip(0, 1), atol=1e-4)


def test_haematoxylin_and_eosin_are_scikit_images_to_its_two_digits():
    """A pixel of one stain alone is one stain alone in scikit-image's basis as well."""
    for k in range(2):
        amounts = rgb2hed(np.exp(-BASIS[k].numpy())[None, None])[0, 0]
        assert amounts.argmax() == k
        assert np.delete(np.abs(amounts), k).max() < 0.03 * amounts[k]


def test_white_balance_and_gamma_are_torchvisions(pictures):
    u = some("colour")
    for picture, row, changed in zip(pictures, u, photometric.colour(pictures, u, 0.3), strict=True):
        factors = torch.exp(0.3 * (2 * row - 1))
        balanced = (picture * factors[:3, None, None]).clamp(0, 1)
        torch.testing.assert_close(changed, F.adjust_gamma(balanced, float(factors[3])))


def test_blur_is_torchvisions(pictures):
    u = torch.tensor([[0.3], [0.9]])
    for picture, share, blurred in zip(pictures, u, photometric.blur(pictures, u, 2.0), strict=True):
        torch.testing.assert_close(blurred, F.gaussian_blur(picture, [13, 13], [2 * float(share)] * 2))


def test_sharpening_is_torchvisions(pictures):
    u = torch.tensor([[0.2], [0.8]])
    for picture, share, sharper in zip(pictures, u, photometric.sharpen(pictures, u, 1.5), strict=True):
        torch.testing.assert_close(sharper, F.adjust_sharpness(picture, 1 + 1.5 * float(share)))


def test_compression_quantises_as_the_standard_says(pictures):
    """At quality 40 the mean of a grey block is a multiple of 1.25 times its step in ITU-T T.81, table K.1: 16 / 8."""
    grey = pictures.mean(1, keepdim=True).expand(2, 3, 48, 64)
    means = {}
    for quality in (100, 40):
        compressed = photometric.jpeg(grey, torch.full((2, 1), (100 - quality) / 60), 60) * 255
        means[quality] = torch.nn.functional.avg_pool2d(compressed, 8)
        assert (compressed - 255 * grey).abs().mean() < (1 if quality == 100 else 8)
    steps = {quality: (mean - 128) / 2.5 for quality, mean in means.items()}
    distance = {quality: float((step - step.round()).abs().mean()) for quality, step in steps.items()}
    assert distance[40] < 0.06 < 0.2 < distance[100]
