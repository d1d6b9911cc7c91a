"""Small networks of one's own with their split points, and what other libraries say of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn
from torchvision.models import ConvNeXt, DenseNet, SwinTransformer, VisionTransformer, resnet18
from torchvision.models.convnext import CNBlockConfig

from dala import Explainer, Preprocessing

SIZE = 64
SQUARE = Preprocessing(SIZE, SIZE, fixed=True)


@dataclass(frozen=True)
class Split:
    """A network, its two parts, the module whose output is explained, and how its output becomes (N, C, h, w)."""

    net: nn.Module
    features: Callable[[Tensor], Any]
    head: Callable[[Any], Any]
    layer: nn.Module
    arranged: Callable[[Tensor], Tensor] | None = None

    def explainer(self, names: Any = "ab", **options: Any) -> Explainer:
        options = {"features": self.features, "head": self.head, "preprocessing": SQUARE} | options
        return Explainer(self.net, class_names=names, **options)


class Small(nn.Module):
    """Three convolutions of stride two with batch-norm and an in-place ReLU: 16 maps of 8 x 8 for 64 x 64 px."""

    def __init__(self, classes: int, **norm: Any) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (3, 16, 16):
            layers += [nn.Conv2d(channels, 16, 3, 2, 1), nn.BatchNorm2d(16, **norm), nn.ReLU(inplace=True)]
        self.maps, self.fc = nn.Sequential(*layers), nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.maps(x).mean((2, 3)))


def small(classes: int = 2, **norm: Any) -> Split:
    torch.manual_seed(0)
    net = Small(classes, **norm)
    # Without a variance of its inputs, activations of random layers vanish.
    net.train()(torch.randn(8, 3, SIZE, SIZE))
    # New containers are in training mode, which changes nothing.
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), net.fc)
    return Split(net.eval(), net.maps, head, net.maps)


def resnet(classes: int = 2) -> Split:
    torch.manual_seed(0)
    net = resnet18(num_classes=classes)
    net.train()(torch.randn(8, 3, SIZE, SIZE))
    head = nn.Sequential(net.avgpool, nn.Flatten(), net.fc)
    return Split(net.eval(), nn.Sequential(*list(net.children())[:-2]), head, net.layer4)


def densenet(classes: int = 2) -> Split:
    torch.manual_seed(0)
    net = DenseNet(8, (2, 2), 16, num_classes=classes).eval()
    return Split(net, net.features, lambda a: net.classifier(a.relu().mean((2, 3))), net.features.norm5)


def convnext(classes: int = 2) -> Split:
    torch.manual_seed(0)
    net = ConvNeXt([CNBlockConfig(16, 32, 1), CNBlockConfig(32, None, 1)], num_classes=classes).eval()
    return Split(net, net.features, lambda a: net.classifier(net.avgpool(a)), net.features)


def swin(classes: int = 2) -> Split:
    torch.manual_seed(0)
    net = SwinTransformer([4, 4], 24, [1, 1], [2, 2], [4, 4], num_classes=classes).eval()
    head = nn.Sequential(net.norm, net.permute, net.avgpool, net.flatten, net.head)
    return Split(net, net.features, head, net.features, lambda x: x.permute(0, 3, 1, 2))


def vit(classes: int = 2) -> Split:
    torch.manual_seed(0)
    net = VisionTransformer(SIZE, 16, 2, 2, 32, 64, num_classes=classes).eval()
    nn.init.normal_(net.heads.head.weight)
    first, last = net.encoder.layers

    def features(x: Tensor) -> Tensor:
        tokens = torch.cat([net.class_token.expand(len(x), -1, -1), net._process_input(x)], 1)
        return first(tokens + net.encoder.pos_embedding)

    def grid(tokens: Tensor) -> Tensor:
        return tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, 4, 4)

    return Split(net, features, lambda t: net.heads(net.encoder.ln(last(t))[:, 0]), first, grid)


def grad_cam(split: Split, x: Tensor, target: Callable[[Tensor], Tensor]) -> np.ndarray:
    """Signed Grad-CAM of pytorch-grad-cam, (h, w)."""
    with GradCAM(split.net, [split.layer], split.arranged) as cam:
        cam(x, [target])
        kept = cam.activations_and_grads
        arrays = [np.asarray(values[0]) for values in (kept.activations, kept.gradients)]
        return cam.get_cam_image(x, split.layer, [target], *arrays, False)[0]


def same(e: Any, expected: Any, tolerance: float = 1e-5) -> None:
    """Assert that every map of `e`, and its logits, are the expected ones up to a share of their largest value."""
    for name, signed in e.signed.items():
        wanted = expected.signed[name]
        assert signed.shape == wanted.shape
        assert (signed - wanted).abs().max() <= tolerance * wanted.abs().max(), name
    torch.testing.assert_close(e.logits, expected.logits, rtol=tolerance, atol=tolerance)
