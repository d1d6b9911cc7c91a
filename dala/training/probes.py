"""A head that starts as a linear probe: a ridge regression, written exactly into the head's activated layers.

A head that fits already distorts the features less when they are fine-tuned (Kumar et al. 2022, arXiv 2202.10054), and
of a few dozen patients a regularised linear fit says more than a small network trained from noise.
"""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import RidgeClassifier
from torch import Tensor, nn
from torchvision.transforms import v2

from dala.data.items import Item, balanced_weights
from dala.models.dala_resnet import DALAResNet50
from dala.training.config import Settings

__all__ = ["fit", "probe", "write"]

# Logarithm of the odds, 20 to 1, of a picture that lies on its class's target: a cross-entropy then starts from logits
# of its own size. One fitted to each fold's few patients would shuffle the pictures of several folds.
ODDS = 3.0


def fit(network: DALAResNet50, pooled: Tensor, items: Sequence[Item], strength: float) -> None:
    """Open the attention, and fit the head to the frozen backbone's pooled features, in place.

    The gate is the same at every position, so that attention and head on features pooled first are exactly attention
    and head on the maps. The regression is on the classes as -1 and 1, a discriminant that needs fewer patients than a
    logistic one (Efron 1975, doi 10.1080/01621459.1975.10480319); features are divided by the root of their deviation
    (Pareto scaling, van den Berg et al. 2006, doi 10.1186/1471-2164-7-142), so that those that hardly vary do not weigh
    as much as the others. Classes, and in them patients, weigh the same.

    Args:
        network: its attention and head are set.
        pooled: (n, views, 2048) means of layer4's maps of the pictures in several views.
        items: the n pictures.
        strength: the inverse of the regression's penalty.
    """
    gate = getattr(network.attention, "excite", None)
    if isinstance(gate, nn.Conv2d) and gate.bias is not None:
        nn.init.constant_(gate.bias, 4.0)
    n, views, channels = pooled.shape
    device = next(network.parameters()).device
    with torch.no_grad():
        x = network.attention(pooled.reshape(n * views, channels, 1, 1).to(device)).flatten(1).double().cpu()
    mean, scale = x.mean(0), (x.std(0) + 1e-4).sqrt()
    rows = ((x - mean) / scale).numpy()
    labels = np.repeat([item.label for item in items], views)
    chances = np.repeat(balanced_weights(items) * n, views)
    model = RidgeClassifier(alpha=1 / strength).fit(rows, labels, chances)
    count = len(network.class_names)
    weight, bias = torch.zeros(count, channels).double(), torch.full((count,), -30.0)
    logits = ODDS * np.hstack([model.coef_.reshape(-1, channels), model.intercept_.reshape(-1, 1)]).T
    if logits.shape[1] == 1:
        # Two classes: the margin, half to each side.
        logits = np.hstack([-logits, logits]) / 2
    coefficients, offsets = torch.from_numpy(logits[:-1].T) / scale, torch.from_numpy(logits[-1])
    classes = torch.from_numpy(model.classes_)
    weight[classes] = coefficients
    bias[classes] = (offsets - coefficients @ mean).float()
    write(network.head, weight.float(), bias)


def write(head: nn.Module, weight: Tensor, bias: Tensor) -> None:
    """Make a head the linear function of what it pools, exactly, and use every unit that can be used for it.

    LeakyReLU(u) - LeakyReLU(-u) = (1 + slope) u, and ReLU(u) - ReLU(-u) = u: in both layers half of the units carry a
    class's logit and half its negative, in as many copies as there is room for, so that dropout takes little away.
    Units left over keep their random weights, and nothing of them arrives.

    Args:
        head: of a DALAResNet50, or any whose last layer alone is linear.
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


def probe(network: DALAResNet50, pooled: Tensor, items: Sequence[Item], settings: Settings) -> list[float]:
    """Fit the attention and the head to the frozen backbone's pooled features; the loss after each epoch.

    The gate is the same at every position, so that attention and head on features pooled first, (n, 2048, 1, 1), are
    exactly attention and head on the maps. The gate starts wide open. What leaves it is standardised by the training
    pictures' mean and deviation, which afterwards become part of the head's first layer; a feature that varies little
    can so weigh as much as one that varies a lot. Pictures are mixed (mixup, Zhang et al. 2018, arXiv 1710.09412).

    Args:
        network: its attention and head are fitted in place.
        pooled: (n, views, 2048) means of layer4's maps of the pictures in several views.
        items: the n pictures; classes, and in them patients, are drawn equally often.
        settings: epochs, rate, decay, mixup, label smoothing and seed.
    """
    device = next(network.parameters()).device
    labels = torch.tensor([i.label for i in items])
    chances = torch.tensor(balanced_weights(items))
    mean, deviation = (f(pooled, (0, 1))[:, None, None].to(device) for f in (torch.mean, torch.std))
    deviation = deviation + 1e-4
    torch.manual_seed(settings.seed)
    gate = getattr(network.attention, "excite", None)
    if isinstance(gate, torch.nn.Conv2d) and gate.bias is not None:
        torch.nn.init.constant_(gate.bias, 4.0)
    parts = torch.nn.ModuleList([network.attention, network.head]).train()
    optimizer = torch.optim.AdamW(parts.parameters(), settings.probe_lr, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, settings.probe_epochs))
    mix = v2.MixUp(alpha=settings.mixup or 1.0, num_classes=len(network.class_names))
    losses = []
    for _ in range(settings.probe_epochs):
        total = 0.0
        for rows in torch.multinomial(chances, len(items), replacement=True).split(32):
            x, y = pooled[rows, torch.randint(pooled.shape[1], (len(rows),)), :, None, None], labels[rows]
            x, y = mix(x, y) if settings.mixup else (x, y)
            logits = network.head((network.attention(x.to(device)) - mean) / deviation)
            loss = torch.nn.functional.cross_entropy(logits, y.to(device), label_smoothing=settings.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        schedule.step()
        losses.append(total / len(items))
    first = next(m for m in network.head.modules() if isinstance(m, torch.nn.Linear))
    with torch.no_grad():
        first.weight.div_(deviation.flatten())
        first.bias.sub_(first.weight @ mean.flatten())
    return losses
