"""Grad-CAM against three libraries that no one here wrote, on the same weights and the same input."""

import copy

import pytest
import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM, HiResCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torchcam.methods import GradCAM as TorchCam
from torchcam.methods import XGradCAM

from dala import cam
from dala.heatmaps import resize
from dala.models.dala_resnet import DualActivatedHead
from dala.phantoms import phantom


class Split(nn.Module):
    """The network as two modules: the peers hook a module, and find theirs in the first one's output."""

    def __init__(self, model):
        super().__init__()
        self.below, self.head = Below(model), model.head

    def forward(self, x):
        return self.head(self.below(x))


class Below(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model.features(x)


@pytest.fixture(scope="module")
def split(small):
    # A copy: pytorch-grad-cam leaves gradients in the parameters.
    split = Split(copy.deepcopy(small.model))
    # The trained head may find no evidence for a class, and equal zeros prove little: a random one finds some for each.
    torch.manual_seed(0)
    split.head = DualActivatedHead(2048, 2).eval()
    return split


@pytest.fixture(scope="module")
def x(small, patch):
    # One of each class: between them, each class has evidence somewhere.
    other = phantom.make(4, malignant=False, size=patch.size).picture
    both = torch.cat([small.preprocess(patch), small.preprocess(other)])
    return both.contiguous(memory_format=torch.channels_last)


def passed(split, x, target):
    """Activations, gradient and heads of a batch, as every method wants them."""
    with torch.no_grad():
        activations = split.below(x)
    scores = [lambda logits: logits[:, target]] * len(x)
    _, gradient = cam.score_gradient(split.head, activations, scores)
    return activations, gradient, [lambda a: split.head(a)[:, target]] * len(x)


def ours(split, x, target, name="grad_cam"):
    """The displayed part of our map of a batch."""
    with torch.no_grad():
        return cam.METHODS[name](*passed(split, x, target)).relu()


@pytest.mark.parametrize("target", [0, 1])
def test_raw_map_equals_captum(split, x, target):
    theirs = LayerGradCam(split, split.below).attribute(x, target, relu_attributions=True).detach()[:, 0]
    assert theirs.max() > 0
    assert (ours(split, x, target) - theirs).abs().max() <= 1e-5 * theirs.max()


@pytest.mark.parametrize("target", [0, 1])
def test_raw_map_equals_torchcam(split, x, target):
    with TorchCam(split, split.below) as extractor:
        scores = split(x)
        theirs = extractor(target, scores, normalized=False)[0].detach()
    assert (ours(split, x, target) - theirs).abs().max() <= 1e-5 * theirs.max()


@pytest.mark.parametrize("target", [0, 1])
def test_displayed_map_equals_pytorch_grad_cam(split, x, target):
    with GradCAM(split, [split.below]) as extractor:
        theirs = torch.from_numpy(extractor(x, [ClassifierOutputTarget(target)] * 2))
    raw = ours(split, x, target)
    # Their display scaling: min-max, upsample, min-max, each with a small constant against division by zero.
    scaled = torch.stack([resize.upsample(min_max(m), (96, 128)) for m in raw])
    shown = torch.stack([min_max(m) for m in scaled])
    assert (shown - theirs).abs().max() <= 1e-5


@pytest.mark.parametrize("target", [0, 1])
def test_hires_and_xgrad_are_the_same_map_after_a_head_that_pools_first(split, x, target):
    # The peers' own, at this layer: what the app says of them is so.
    raw = ours(split, x, target)
    with XGradCAM(split, split.below) as extractor:
        theirs = extractor(target, split(x), normalized=False)[0].detach()
    assert (raw - theirs).abs().max() <= 1e-5 * raw.max()
    shown = []
    for kind in (GradCAM, HiResCAM):
        with kind(split, [split.below]) as extractor:
            shown.append(extractor(x, [ClassifierOutputTarget(target)] * 2))
    assert abs(shown[0] - shown[1]).max() <= 1e-4


def min_max(m):
    m = m - m.min()
    return m / (1e-7 + m.max())


def test_no_parameter_receives_a_gradient(split, x):
    split.zero_grad(set_to_none=True)
    ours(split, x, 0)
    assert all(p.grad is None for p in split.parameters())
