"""DALAResNet50: a ResNet-50 with lightweight attention after its fourth stage and a dual-activated head.

Liu, Himel, Wang: "Breast Cancer Classification with Enhanced Interpretability: DALAResNet50 and DT Grad-CAM",
IEEE Access 2024, arXiv 2308.13150. The paper's abstract names the parts; their sizes here are our reading of it.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import ModelCard, PyTorchModelHubMixin
from torch import Tensor, nn
from torchvision.models import resnet50

from dala.images.preprocessing import Preprocessing

__all__ = ["STAGES", "DALAResNet50", "DualActivatedHead", "LightweightAttention"]

MOST_CLASSES, MOST_LETTERS = 1000, 100
STAGES = ("stem", "layer1", "layer2", "layer3", "layer4", "attention")


class LightweightAttention(nn.Module):
    """Channel gate: pool -> 1x1 conv (C -> C/r) -> ReLU -> 1x1 conv (C/r -> C) -> sigmoid -> scale.

    The form is squeeze-and-excitation (Hu et al. 2018, arXiv 1709.01507); that the paper's module is of this form
    is our reading. The gate is the same at every position, so it commutes with global average pooling.

    Args:
        channels: number of channels C, in and out.
        reduction: r, by which the bottleneck is narrower.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // reduction, 1)
        self.excite = nn.Conv2d(channels // reduction, channels, 1)

    def gate(self, x: Tensor) -> Tensor:
        """Openings of the channels, (N, C, 1, 1), each in (0, 1), for x of shape (N, C, h, w)."""
        pooled = x.mean((2, 3), keepdim=True)
        return self.excite(self.squeeze(pooled).relu()).sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, h, w), every channel scaled by its gate."""
        return x * self.gate(x)


class DualActivatedHead(nn.Module):
    """Global average pool -> FC + LeakyReLU -> dropout -> FC + ReLU -> linear classifier.

    "Two fully connected layers with LeakyReLU and ReLU" is the paper's; the widths and the dropout are our reading.

    Args:
        channels: channels of the feature map that comes in.
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
    nn.Module,
    PyTorchModelHubMixin,
    library_name="dala",
    tags=["histopathology", "breast-cancer", "grad-cam", "safetensors"],
    license="cc-by-nc-4.0",
    pipeline_tag="image-classification",
    paper_url="https://arxiv.org/abs/2308.13150",
):
    """The network. Constructing it downloads nothing; `dala.models.load` fills it.

    `conv1`, `bn1` and `layer1` to `layer4` carry torchvision's key names, so that an ImageNet state dict fits as it is.
    Fully convolutional up to the pooling: any input of at least 32 px a side.

    Args:
        class_names: one name per logit, in order.
        preprocessing: how a picture becomes the input; see `dala.images.preprocessing.Preprocessing`.
        provenance: what the weights were trained on, from which start; a JSON object.
        reduction: bottleneck of the attention.
        dropout: of the head, in training only.
        temperature: by which logits are divided before the softmax, so that probabilities are calibrated (Guo et al.
            2017, arXiv 1706.04599); the logits themselves, and what explains them, are left alone.
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
            told = f"not {reduction!r} and {dropout!r}"
            raise ValueError(f"reduction must be a whole number from 1 to 2048, and dropout from 0 to 1, {told}")
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
        """(N, 3, H, W) normalised pictures -> (N, 2048, h, w) after attention, h = ceil(H / 32), w = ceil(W / 32)."""
        for stage in STAGES:
            x = getattr(self, stage)(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) normalised pictures -> (N, classes) logits."""
        return self.head(self.features(x))

    def config(self) -> dict[str, Any]:
        """What `config.json` holds: the constructor's arguments as plain JSON."""
        return {
            "architecture": type(self).__name__,
            "class_names": list(self.class_names),
            "preprocessing": self.preprocessing.to_json(),
            "provenance": self.provenance,
            "reduction": self.reduction,
            "dropout": self.dropout,
            "temperature": self.temperature,
        }

    def _save_pretrained(self, save_directory: Path) -> None:
        from dala.models import serialization

        serialization.save(self, save_directory)

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """What the config tells, and plainly what it does not; a card with figures is `dala.publishing.model_card`'s, of a report."""
        from dala.models import card

        return ModelCard(card.card(self))

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        commit_message: str = "Publish a DALAResNet50",
        branch: str | None = None,
        create_pr: bool | None = None,
        **mixin: Any,
    ) -> str:
        """Send the network to the Hub as `python -m dala publish` does: safetensors, config with SHA-256, plain card.

        Args:
            repo_id: "user/name", created if it is not there.
            private: refused where the repository is public already; None leaves it to the account.
            token: None for the one of `hf auth login` or HF_TOKEN.
            commit_message, branch, create_pr: as in `HfApi.upload_folder`.
            mixin: `config` and `model_card_kwargs`, which `save_pretrained` passes on; both are the network's own.

        Returns:
            The address of the commit.

        Raises:
            UploadError: not logged in, refused, or not reached; or an argument that changes which files are sent.
        """
        from dala.hub import upload
        from dala.publishing import model_folder

        unknown = sorted(mixin.keys() - {"config", "model_card_kwargs"})
        if unknown:
            raise upload.UploadError(f"push_to_hub takes no {', '.join(unknown)}: the folder is sent whole.")
        to = upload.Repository(repo_id, private=private, owned=model_folder.OWNED)
        api = upload.client(token)
        with TemporaryDirectory() as place:
            saved, folder = Path(place) / "saved", Path(place) / "published"
            self._save_pretrained(saved)
            model_folder.prepare(saved, folder)
            return upload.send(folder, to, api, commit_message, revision=branch, create_pr=create_pr).commit_url

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        **model_kwargs: Any,
    ) -> "DALAResNet50":
        """A network from a folder or the Hub, whole and checked, in evaluation mode; see `dala.models.load`.

        The mixin's own would leave missing layers random, fall back to a pickle, and wait long for a silent Hub.

        Raises:
            WeightsError: as `dala.models.load`, or arguments that would change what the weights were saved with.
        """
        from dala.models import pretrained, serialization

        if model_kwargs.pop("strict", True) is not True or model_kwargs:
            given = ", ".join(["strict=False", *model_kwargs][bool(model_kwargs) :])
            raise serialization.WeightsError(
                f"from_pretrained takes no {given}: a network is loaded whole, as it was saved."
            )
        source = str(pretrained_model_name_or_path)
        return pretrained.load(
            f"{source}@{revision}" if revision and not Path(source).exists() else source,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
        ).model


def _within(value: Any, least: float, most: float, whole: bool = False) -> bool:
    kinds = int if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most


def _check_names(names: Sequence[str]) -> None:
    if not 2 <= len(names) <= MOST_CLASSES or len(set(names)) != len(names):
        some = str(list(names[:8]))[:200]
        raise ValueError(f"class_names must be two to {MOST_CLASSES} different names, not {len(names)}: {some}")
    for name in names:
        if not 1 <= len(name) <= MOST_LETTERS or not name.isprintable():
            told = f"one line of 1 to {MOST_LETTERS} letters"
            raise ValueError(f"class_names must be names of {told}, not {name[:MOST_LETTERS]!r}")
