"""Networks by name, for training and comparison: DALAResNet50, its ablations, and networks of torchvision and timm."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from dala.images.preprocessing import Preprocessing
from dala.models.dala_resnet import STAGES, DALAResNet50
from dala.models.serialization import WeightsError

__all__ = ["DALA", "LibraryNetwork", "UpperStages", "build", "freeze_below"]

DALA = ("dala", "dala:no-attention", "dala:one-activation", "resnet50")


class LibraryNetwork(nn.Module):
    """A classifier of torchvision or timm, which resizes its input where it needs a fixed size.

    Args:
        name: "torchvision:densenet121", "timm:vit_base_patch16_224" and so on.
        class_names: one name per logit.
        preprocessing: how a picture becomes the input.
        pretrained: download the library's default weights.

    Attributes:
        wrapped: the library's module.

    Raises:
        WeightsError: an unknown network, or weights that cannot be downloaded.
    """

    def __init__(
        self, name: str, class_names: Sequence[str], preprocessing: Preprocessing, pretrained: bool = False
    ) -> None:
        super().__init__()
        self.class_names, self.preprocessing = tuple(class_names), preprocessing
        library, _, network = name.partition(":")
        try:
            self.wrapped, side = _LIBRARIES[library](network, len(self.class_names), pretrained)
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise WeightsError(f"{name} cannot be built: {reason}.") from error
        self.scale = nn.Upsample((side, side), mode="bilinear") if side else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) normalised pictures -> (N, classes) logits."""
        logits: Tensor = self.wrapped(self.scale(x))
        return logits


class UpperStages(nn.Module):
    """A network from stage `first` to its logits: (N, C, h, w) input of that stage -> (N, classes)."""

    def __init__(self, network: "DALAResNet50 | LibraryNetwork", first: str) -> None:
        super().__init__()
        self.network = network
        stages = ("scale", "wrapped") if isinstance(network, LibraryNetwork) else (*STAGES, "head")
        self.stages = stages[stages.index(first) if first in stages else 0 :]

    def forward(self, x: Tensor) -> Tensor:
        """Apply the stages and the head."""
        for stage in self.stages:
            x = getattr(self.network, stage)(x)
        return x


def build(
    name: str,
    class_names: Sequence[str],
    preprocessing: Preprocessing,
    dropout: float = 0.3,
    pretrained: bool = False,
) -> DALAResNet50 | LibraryNetwork:
    """Build a network by name, with random weights unless `pretrained`.

    Args:
        name: "dala"; "dala:no-attention"; "dala:one-activation" (none after the second fully connected layer);
            "resnet50" (no attention, one linear layer, as He et al. 2016, arXiv 1512.03385); "torchvision:NAME";
            "timm:NAME".
        class_names: one name per logit.
        preprocessing: how a picture becomes the input.
        dropout: in the head of DALAResNet50.
        pretrained: download the default weights; of torchvision and timm only.

    Raises:
        WeightsError: an unknown name.
    """
    if name.partition(":")[0] in _LIBRARIES:
        return LibraryNetwork(name, class_names, preprocessing, pretrained)
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


def freeze_below(network: DALAResNet50 | LibraryNetwork, first: str) -> None:
    """Let gradients reach the stages from `first` of `STAGES` up, and no others; a library's network has no stages."""
    network.requires_grad_(True)
    if isinstance(network, DALAResNet50):
        for stage in STAGES[: STAGES.index(first)]:
            for name in ("conv1", "bn1") if stage == "stem" else (stage,):
                network.get_submodule(name).requires_grad_(False)


def _from_torchvision(name: str, classes: int, pretrained: bool) -> tuple[nn.Module, int | None]:
    from torchvision import models

    model = models.get_model(name, weights="DEFAULT" if pretrained else None)
    # In every classifier of torchvision the last linear layer gives the logits.
    path, last = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear)][-1]
    model.set_submodule(path, nn.Linear(last.in_features, classes))
    return model, getattr(model, "image_size", None)


def _from_timm(name: str, classes: int, pretrained: bool) -> tuple[nn.Module, int | None]:
    import timm

    model = timm.create_model(name, pretrained=pretrained, num_classes=classes)
    about: dict[str, Any] = getattr(model, "pretrained_cfg", {})
    # Position embeddings and windows fit one size; convolutions accept any.
    fixed = about.get("fixed_input_size") or hasattr(model, "patch_embed")
    return model, int(about["input_size"][-1]) if fixed else None


_LIBRARIES = {"torchvision": _from_torchvision, "timm": _from_timm}
