"""DALAResNet50: a ResNet-50 with lightweight attention after its fourth stage and a dual-activated head.

Liu, Himel, Wang: "Breast Cancer Classification with Enhanced Interpretability: DALAResNet50 and DT Grad-CAM",
IEEE Access 2024, arXiv 2308.13150. The paper's abstract names the parts; their sizes here are our reading of it.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torchvision.models import resnet50

from dala.images.preprocessing import Preprocessing
from dala.models.hub_mixin import HubMixin

__all__ = ["STAGES", "DALAResNet50", "DualActivatedHead", "LightweightAttention"]

MOST_CLASSES, MOST_LETTERS = 1000, 100
STAGES = ("stem", "layer1", "layer2", "layer3", "layer4", "attention")


class LightweightAttention(nn.Module):
    """Channel gate: pool -> 1x1 conv (C -> C/r) -> ReLU -> 1x1 conv (C/r -> C) -> sigmoid -> scale.

    The form is squeeze-and-excitation (Hu et al. 2018, arXiv 1709.01507); that the paper's module is of this form
    is our reading. The gate is the same at every position, so it commutes with global average pooling.

    Args:
        channels: number of channels C, in and out.
        reduction: factor r by which the bottleneck is narrower.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // reduction, 1)
        self.excite = nn.Conv2d(channels // reduction, channels, 1)

    def gate(self, x: Tensor) -> Tensor:
        """Gates of the channels, (N, C, 1, 1), each in (0, 1), for x of shape (N, C, h, w)."""
        pooled = x.mean((2, 3), keepdim=True)
        return self.excite(self.squeeze(pooled).relu()).sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, h, w), each channel scaled by its gate."""
        return x * self.gate(x)


class DualActivatedHead(nn.Module):
    """Global average pool -> FC + LeakyReLU -> dropout -> FC + ReLU -> linear classifier.

    "Two fully connected layers with LeakyReLU and ReLU" is the paper's; the widths and the dropout are our reading.

    Args:
        channels: channels of the input feature map.
        classes: number of logits.
        dropout: probability with which a unit of the first layer is dropped in training.
    """

    def __init__(self, channels: int, classes: int, dropout: float = 0.3) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels, 512),
            nn.LeakyReLU(0.01),
            nn.Dropout(dropout),
            nn.Linear(512, 256),
            nn.ReLU(),
            nn.Linear(256, classes),
        )

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, h, w) feature maps -> (N, classes) logits."""
        return self.layers(features.mean((2, 3)))


class DALAResNet50(
    HubMixin,
    library_name="dala",
    tags=["histopathology", "breast-cancer", "grad-cam", "safetensors"],
    license="cc-by-nc-4.0",
    pipeline_tag="image-classification",
    paper_url="https://arxiv.org/abs/2308.13150",
):
    """The network. Constructing it downloads nothing; `from_pretrained` and `dala.load` return one with weights.

    `conv1`, `bn1` and `layer1` to `layer4` carry torchvision's key names, so that an ImageNet state dict fits as it
    is. Fully convolutional up to the pooling: any input of at least 32 px a side.

    Args:
        class_names: one name per logit, in order.
        preprocessing: how an image becomes the input; see `dala.images.preprocessing.Preprocessing`.
        provenance: what the weights were trained on, from which start; a JSON object.
        reduction: bottleneck of the attention.
        dropout: of the head, in training only.
        temperature: divides the logits before the softmax, so that probabilities are calibrated (Guo et al. 2017,
            arXiv 1706.04599); the logits themselves, and the maps of their gradients, do not depend on it.
    """

    def __init__(
        self,
        class_names: Sequence[str] = ("benign", "malignant"),
        preprocessing: Preprocessing | dict[str, Any] | None = None,
        provenance: dict[str, Any] | None = None,
        reduction: int = 16,
        dropout: float = 0.3,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        if not _within(temperature, 0.01, 100):
            raise ValueError(f"temperature must be a number from 0.01 to 100, not {temperature!r}")
        _check_names(class_names)
        if not _within(reduction, 1, 2048, whole=True) or not _within(dropout, 0, 1):
            values = f"not {reduction!r} and {dropout!r}"
            raise ValueError(f"reduction must be a whole number from 1 to 2048, and dropout from 0 to 1, {values}")
        self.class_names = tuple(class_names)
        self.preprocessing = Preprocessing.of(preprocessing)
        self.provenance = provenance or {}
        self.reduction, self.dropout, self.temperature = reduction, dropout, temperature
        backbone = resnet50(weights=None)
        for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
            self.add_module(name, getattr(backbone, name))
        self.attention = LightweightAttention(2048, reduction)
        self.head = DualActivatedHead(2048, len(self.class_names), dropout)

    def stem(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 64, H/4, W/4)."""
        for name in ("conv1", "bn1", "relu", "maxpool"):
            x = self.get_submodule(name)(x)
        return x

    def features(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images -> (N, 2048, h, w) after attention, h = ceil(H / 32), w = ceil(W / 32)."""
        for stage in STAGES:
            x = getattr(self, stage)(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images -> (N, classes) logits."""
        return self.head(self.features(x))

    def config(self) -> dict[str, Any]:
        """The constructor's arguments as plain JSON, and "architecture", the name of the class; see `config.json`."""
        return {
            "architecture": type(self).__name__,
            "class_names": list(self.class_names),
            "preprocessing": self.preprocessing.to_json(),
            "provenance": self.provenance,
            "reduction": self.reduction,
            "dropout": self.dropout,
            "temperature": self.temperature,
        }


def _within(value: Any, least: float, most: float, whole: bool = False) -> bool:
    kinds = int if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most


def _check_names(names: Sequence[str]) -> None:
    if not 2 <= len(names) <= MOST_CLASSES or len(set(names)) != len(names):
        some = str(list(names[:8]))[:200]
        raise ValueError(f"class_names must be two to {MOST_CLASSES} different names, not {len(names)}: {some}")
    for name in names:
        if not 1 <= len(name) <= MOST_LETTERS or not name.isprintable():
            form = f"one line of 1 to {MOST_LETTERS} letters"
            raise ValueError(f"class_names must be names of {form}, not {name[:MOST_LETTERS]!r}")
