"""Probes: attention and head fitted to pooled features of the frozen backbone, as a start for fine-tuning.

A head that already fits distorts the features less when they are fine-tuned (Kumar et al. 2022, arXiv 2202.10054).
There are two: `fit_network` trains attention and head by gradient descent; `fit_linear` writes a ridge regression
exactly into the head's layers, which for a few dozen patients generalises better than a small network trained from
noise. Both open the gate, whose value is then the same at every position; attention and head on features pooled first,
(n, 2048, 1, 1), thus equal attention and head on the maps.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from dala.data.items import Item, balanced_weights
from dala.models.dala_resnet import DALAResNet50
from dala.training import ridge
from dala.training.config_parts import ProbeConfig, TuningConfig
from dala.training.places import Places

__all__ = ["ODDS", "fit_linear", "fit_network", "write_linear"]

# Log-odds, about 20 to 1, of a picture whose regression value is its class's target: logits of the size that a
# cross-entropy expects. A scale fitted to each fold's few patients would make logits of different folds incomparable.
ODDS = 3.0


def fit_network(
    network: DALAResNet50, pooled: Tensor, items: Sequence[Item], probe: ProbeConfig, tuning: TuningConfig, seed: int
) -> list[float]:
    """Train the attention and the head on pooled features with AdamW and mixup (Zhang et al. 2018, arXiv 1710.09412).

    The gate's output is standardised, so that a feature of small variance can weigh as much as one of large variance;
    the mean and the deviation afterwards become part of the head's first layer.

    Args:
        network: its attention and head are fitted in place.
        pooled: (n, views, 2048) means of layer4's maps of the pictures in several views.
        items: the n pictures; classes, and in them patients, are drawn equally often.
        probe: epochs, learning rate and mixup.
        tuning: weight decay and label smoothing.
        seed: of the draws.

    Returns:
        the loss after each epoch.
    """
    device = next(network.parameters()).device
    mean, deviation = (f(pooled, (0, 1))[:, None, None].to(device) for f in (torch.mean, torch.std))
    deviation = deviation + 1e-4
    torch.manual_seed(seed)
    _open_gate(network)
    parts = nn.ModuleList([network.attention, network.head]).train()
    optimizer = torch.optim.AdamW(parts.parameters(), probe.lr, weight_decay=tuning.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, probe.epochs))
    losses = []
    for _ in range(probe.epochs):
        batches = _mixed_batches(pooled, items, probe.mixup, len(network.class_names))
        losses.append(_one_epoch(network, batches, mean, deviation, optimizer, tuning.label_smoothing) / len(items))
        schedule.step()
    first = next(m for m in network.head.modules() if isinstance(m, nn.Linear))
    with torch.no_grad():
        first.weight.div_(deviation.flatten())
        first.bias.sub_(first.weight @ mean.flatten())
    return losses


def _one_epoch(
    network: DALAResNet50,
    batches: Iterable[tuple[Tensor, Tensor]],
    mean: Tensor,
    deviation: Tensor,
    optimizer: torch.optim.Optimizer,
    smoothing: float,
) -> float:
    """Sum of the losses of all pictures."""
    total = 0.0
    for x, y in batches:
        logits = network.head((network.attention(x.to(mean.device)) - mean) / deviation)
        loss = nn.functional.cross_entropy(logits, y.to(mean.device), label_smoothing=smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    return total


def _mixed_batches(
    pooled: Tensor, items: Sequence[Item], alpha: float, classes: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of an epoch: (b, 2048, 1, 1) features of random views, and labels (b,) or, with mixup, (b, classes)."""
    labels = torch.tensor([i.label for i in items])
    chances = torch.tensor(balanced_weights(items))
    mix = v2.MixUp(alpha=alpha or 1.0, num_classes=classes)
    for rows in torch.multinomial(chances, len(items), replacement=True).split(32):
        x, y = pooled[rows, torch.randint(pooled.shape[1], (len(rows),)), :, None, None], labels[rows]
        yield mix(x, y) if alpha else (x, y)


def fit_linear(
    network: DALAResNet50, pooled: Tensor, items: Sequence[Item], probe: ProbeConfig, places: Places | None = None
) -> None:
    """Write a ridge regression on pooled features (`ridge.solve`) into the head.

    Args:
        network: its attention and head are set in place.
        pooled: (n, views, 2048) means of layer4's maps of the pictures in several views.
        items: the n pictures.
        probe: strengths of the terms.
        places: of the n pictures; needed if `probe.nuclei` is not 0.

    Raises:
        SettingsError: `nuclei` for more than two classes.
    """
    _open_gate(network)
    device = next(network.parameters()).device
    with torch.no_grad():
        attended = network.attention(pooled.flatten(0, 1)[:, :, None, None].to(device)).cpu()
    coefficients, offsets, classes = ridge.solve(attended.reshape(pooled.shape), items, probe, places)
    if len(classes) == 2:
        # Half of the margin for each.
        coefficients, offsets = (torch.cat([-v, v]) / 2 for v in (coefficients, offsets))
    count = len(network.class_names)
    weight, bias = torch.zeros(count, pooled.shape[2]), torch.full((count,), -30.0)
    weight[classes], bias[classes] = ODDS * coefficients.float(), ODDS * offsets.float()
    write_linear(network.head, weight, bias)


def write_linear(head: nn.Module, weight: Tensor, bias: Tensor) -> None:
    """Make a head the exact linear function of its pooled input, with as many of its units as can be used.

    LeakyReLU(u) - LeakyReLU(-u) = (1 + slope) u, and ReLU(u) - ReLU(-u) = u: in both layers half of the units carry a
    class's logit and half its negative, in as many copies as there is room for, so that dropout has little effect.
    Units left over keep their random weights, and have no effect on the output.

    Args:
        head: of a DALAResNet50, or any whose only linear layer is the last.
        weight, bias: (classes, channels) and (classes,).
    """
    linear = [m for m in head.modules() if isinstance(m, nn.Linear)]
    with torch.no_grad():
        if len(linear) == 1:
            linear[0].weight.copy_(weight)
            linear[0].bias.copy_(bias)
            return
        first, second, last = linear
        both = torch.cat([torch.eye(len(weight)), -torch.eye(len(weight))])
        slope = next(m.negative_slope for m in head.modules() if isinstance(m, nn.LeakyReLU))
        # Without a second activation the two halves add up to twice the logit.
        twice = 1 if any(isinstance(m, nn.ReLU) for m in head.modules()) else 2
        one, two = (layer.out_features // len(both) for layer in (first, second))
        first.weight[: one * len(both)] = (both @ weight).repeat(one, 1)
        first.bias[: one * len(both)] = (both @ bias).repeat(one)
        apart = both @ both.T / ((1 + slope) * one)
        _fill(second, apart.repeat(two, one), two * len(both))
        _fill(last, both.T.repeat(1, two) / (two * twice), len(weight))


def _fill(layer: nn.Linear, weight: Tensor, rows: int) -> None:
    layer.weight[:rows] = 0
    layer.weight[:rows, : weight.shape[1]] = weight
    layer.bias[:rows] = 0


def _open_gate(network: DALAResNet50) -> None:
    gate = getattr(network.attention, "excite", None)
    if isinstance(gate, nn.Conv2d) and gate.bias is not None:
        nn.init.constant_(gate.bias, 4.0)
