"""Sampled places: deviations from the picture's mean, and how much of each is darkly stained."""

import numpy as np
import torch
from PIL import Image
from skimage.filters import threshold_otsu

from dala.images.preprocessing import Preprocessing, normalised
from dala.images.stain import optical_density
from dala.phantoms.phantom import make
from dala.training.places import COUNT, sample


def test_the_shares_are_those_of_scikit_images_otsu():
    picture = make(3, size=(320, 224)).picture
    x = normalised(picture, Preprocessing())[0]
    features = torch.rand(8, 7, 10)
    evidence, nuclei = sample(features, x, Preprocessing())
    density = optical_density(np.asarray(picture, np.float32)).mean(2).clip(0)
    dark = density > threshold_otsu(density)
    cells = dark.reshape(7, 32, 10, 32).mean((1, 3)).ravel()
    chosen = torch.randperm(70, generator=torch.Generator().manual_seed(0))[:COUNT].numpy()
    assert np.abs(nuclei.numpy() - (cells - cells.mean())[chosen]).max() < 0.02
    flat = features.flatten(1).T
    assert torch.allclose(evidence.float(), (flat - flat.mean(0))[chosen], atol=1e-3)


def test_a_small_map_repeats_its_places():
    x = normalised(Image.new("RGB", (64, 64), (230, 180, 210)), Preprocessing())[0]
    evidence, nuclei = sample(torch.rand(4, 2, 2), x, Preprocessing())
    assert evidence.shape == (COUNT, 4)
    assert nuclei.abs().max() == 0
