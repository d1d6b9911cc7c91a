"""Networks by name, for training and comparison: DALAResNet50, what it is without its parts, and libraries' own."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from dala.images.preprocessing import Preprocessing
from dala.models.dala_resnet import STAGES, DALAResNet50
from dala.models.serialization import WeightsError

__all__ = ["DALA", "Named", "Upper", "build", "trained_parameters"]


class Named(nn.Module):
    """A classifier of torchvision or timm, trained as a whole; it scales its input itself where it must.

    Args:
        name: "torchvision:densenet121", "timm:vit_base_patch16_224" and so on.
        class_names: one name per logit.
        preprocessing: how a picture becomes the input.
        pretrained: fetch the library's default weights.

    Raises:
        WeightsError: no such network, or weights that cannot be fetched.
    """

    def __init__(
        self, name: str, class_names: Sequence[str], preprocessing: Preprocessing, pretrained: bool = False
    ) -> None:
        super().__init__()
        self.class_names, self.preprocessing = tuple(class_names), preprocessing
        library, _, network = name.partition(":")
        try:
            self.made, side = _LIBRARIES[library](network, len(self.class_names), pretrained)
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise WeightsError(f"{name} cannot be built: {reason}.") from error
        self.scale = nn.Upsample((side, side), mode="bilinear") if side else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) normalised pictures -> (N, classes) logits."""
        logits: Tensor = self.made(self.scale(x))
        return logits


class Upper(nn.Module):
    """The part of a network from one stage up: (N, C, h, w) of what comes in there -> (N, classes) logits."""

    def __init__(self, network: nn.Module, first: str) -> None:
        super().__init__()
        self.network = network
        stages = ("scale", "made") if isinstance(network, Named) else (*STAGES, "head")
        self.stages = stages[stages.index(first) if first in stages else 0 :]

    def forward(self, x: Tensor) -> Tensor:
        """Through the stages and the head."""
        for stage in self.stages:
            x = getattr(self.network, stage)(x)
        return x


def build(
    name: str,
    class_names: Sequence[str],
    preprocessing: Preprocessing,
    dropout: float = 0.3,
    pretrained: bool = False,
) -> DALAResNet50 | Named:
    """A network by name, its weights random unless `pretrained`.

    "dala"; "dala:no-attention"; "dala:one-activation" (nothing after the second fully connected layer); "resnet50" (no
    attention, one linear layer, as He et al. 2016, arXiv 1512.03385); "torchvision:NAME"; "timm:NAME".

    Raises:
        WeightsError: a name that is none.
    """
    if name.partition(":")[0] in _LIBRARIES:
        return Named(name, class_names, preprocessing, pretrained)
    if name not in DALA:
        raise WeightsError(f"{name}: not one of {', '.join(DALA)}, torchvision:NAME or timm:NAME.")
    model = DALAResNet50(class_names, preprocessing, dropout=dropout)
    if name in ("dala:no-attention", "resnet50"):
        model.set_submodule("attention", nn.Identity())
    if name == "dala:one-activation":
        layers = model.head.layers
        layers[next(k for k, layer in enumerate(layers) if isinstance(layer, nn.ReLU))] = nn.Identity()
    if name == "resnet50":
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, len(model.class_names)))
        model.set_submodule("head", head)
    return model


DALA = ("dala", "dala:no-attention", "dala:one-activation", "resnet50")


def trained_parameters(network: DALAResNet50 | Named, first: str) -> list[nn.Parameter]:
    """Let gradients reach the stages from `first` of `STAGES` up, and no further down; the parameters they reach."""
    network.requires_grad_(True)
    if isinstance(network, DALAResNet50):
        for stage in STAGES[: STAGES.index(first)]:
            for name in ("conv1", "bn1") if stage == "stem" else (stage,):
                network.get_submodule(name).requires_grad_(False)
    return [p for p in network.parameters() if p.requires_grad]


def _from_torchvision(name: str, classes: int, pretrained: bool) -> tuple[nn.Module, int | None]:
    from torchvision import models

    model = models.get_model(name, weights="DEFAULT" if pretrained else None)
    # The classifier is the last linear layer of every one of torchvision's.
    path, last = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear)][-1]
    model.set_submodule(path, nn.Linear(last.in_features, classes))
    return model, getattr(model, "image_size", None)


def _from_timm(name: str, classes: int, pretrained: bool) -> tuple[nn.Module, int | None]:
    import timm

    model = timm.create_model(name, pretrained=pretrained, num_classes=classes)
    given: dict[str, Any] = getattr(model, "pretrained_cfg", {})
    # Position embeddings and windows are made for one size; convolutions take any.
    fixed = given.get("fixed_input_size") or hasattr(model, "patch_embed")
    return model, int(given["input_size"][-1]) if fixed else None


_LIBRARIES = {"torchvision": _from_torchvision, "timm": _from_timm}
