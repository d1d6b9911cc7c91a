"""The pull towards the start, and the average with it, on a network of a few weights."""

import copy

import pytest
import torch
from torch import nn

from dala.training.anchor import Anchor


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def gradients(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for p in model.parameters():
        p.grad = torch.randn(p.shape, generator=generator)


def test_a_pull_to_zero_is_the_weight_decay_of_adamw():
    pulled, decayed = network(), network()
    anchor = Anchor(pulled)
    anchor.load({name: torch.zeros_like(value) for name, value in anchor.weights.items()})
    optimizers = [torch.optim.AdamW(m.parameters(), 0.01, weight_decay=d) for m, d in ((pulled, 0.0), (decayed, 20.0))]
    for step in range(3):
        for model, optimizer in zip((pulled, decayed), optimizers, strict=True):
            gradients(model, step)
            if model is pulled:
                anchor.pull(model, optimizer, 20.0)
            optimizer.step()
    for one, other in zip(pulled.parameters(), decayed.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_pull_removes_its_share_of_the_distance_and_leaves_frozen_weights():
    model = network()
    model[0].requires_grad_(False)
    anchor, start = Anchor(model), copy.deepcopy(model.state_dict())
    groups = [{"params": model[1].parameters(), "lr": 0.01}, {"params": model[2].parameters(), "lr": 0.1}]
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1.0)
    anchor.pull(model, torch.optim.AdamW(groups), 5.0)
    moved = {name: (value - start[name]).unique() for name, value in model.named_parameters()}
    for name, left in (("0.weight", 1.0), ("1.weight", 0.95), ("2.weight", 0.5), ("2.bias", 0.5)):
        assert moved[name].tolist() == pytest.approx([left] * len(moved[name]), abs=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_an_average_is_exact(share):
    model = network()
    anchor, start = Anchor(model), copy.deepcopy(model)
    with torch.no_grad():
        for value in (*model.parameters(), model[1].running_mean):
            value.add_(torch.rand_like(value))
    mixed = anchor.averaged(model, share).state_dict()
    for name, value in model.state_dict().items():
        expected = share * value.double() + (1 - share) * start.state_dict()[name].double()
        assert torch.allclose(mixed[name].double(), expected, atol=0 if share in (0, 1) else 1e-6, rtol=0)
    assert mixed["0.weight"] is not model[0].weight, "the fine-tuned network is not changed"
