"""Networks by name."""

import pytest
import torch

from dala.images.preprocessing import Preprocessing
from dala.models import serialization
from dala.models.dala_resnet import DALAResNet50
from dala.training.networks import LibraryNetwork, build, freeze_below


def test_stages_from_the_chosen_one_up_are_trained():
    model = DALAResNet50()
    every = sum(p.numel() for p in model.parameters())
    freeze_below(model, "stem")
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == every
    freeze_below(model, "attention")
    assert {n.split(".")[0] for n, p in model.named_parameters() if p.requires_grad} == {"attention", "head"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "torchvision:densenet121", "torchvision:vgg16", "timm:seresnet50", "timm:vit_base_patch16_224",
        "timm:swin_tiny_patch4_window7_224", "timm:vit_base_patch14_dinov2",
    ],
)  # fmt: skip
def test_the_papers_other_networks_train_for_a_step(name):
    network = build(name, ["a", "b"], Preprocessing(96, 128))
    assert isinstance(network, LibraryNetwork)
    logits = network(torch.rand(2, 3, 96, 128))
    assert logits.shape == (2, 2)
    logits.sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("name", ["resnet", "timm:nothing_of_this_name", "torchvision:nothing"])
def test_a_network_that_is_none(name):
    with pytest.raises(serialization.WeightsError, match=name):
        build(name, ["a", "b"], Preprocessing())
