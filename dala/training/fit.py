"""Networks as candidates of cross-validation: initialized, fitted by a probe and fine-tuning, and scored."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from torch import nn
from tqdm import tqdm

from dala.data.items import Item
from dala.evaluation import inference, metrics
from dala.hub.report import Start
from dala.models.dala_resnet import DALAResNet50
from dala.training import networks, probes
from dala.training.backbone import initialization_name, initialize_and_extract, preprocessing_for
from dala.training.config import Settings
from dala.training.datasets import FeatureDataset, PictureDataset, Source
from dala.training.distributed import SINGLE, Ranks
from dala.training.feature_cache import extract
from dala.training.initialization import load_library
from dala.training.networks import LibraryNetwork, UpperStages
from dala.training.trainer import Trainer

__all__ = ["DALACandidate", "LibraryCandidate", "predict_logits"]


class _NetworkCandidate(ABC):
    """A network that is initialized, fine-tuned and scored; the two kinds differ in the initialization and the source.

    Args:
        settings: of the run, resolved for the device.
        items: all labelled pictures.
        class_names: of their labels.
        device: of the network.
        ranks: the processes that train together.
    """

    initialization: Start
    source: Source

    def __init__(
        self, settings: Settings, items: list[Item], class_names: list[str], device: torch.device, ranks: Ranks
    ) -> None:
        self.settings, self.items, self.class_names = settings, items, class_names
        self.device, self.ranks = device, ranks
        self.preprocessing = preprocessing_for(items, settings.data, settings.features)
        self.network: nn.Module | None = None
        self._fitted: UpperStages

    @abstractmethod
    def _initialize(self, train: Sequence[int], resumed: bool) -> DALAResNet50 | LibraryNetwork:
        """A network on the device, ready for fine-tuning on `train`; if resumed, a checkpoint replaces its weights."""

    def fit(self, train: Sequence[int], out: Path, held_out: Sequence[int] = ()) -> None:
        """Initialize and fine-tune a network, or resume from `out`/last.pt; log scores of the held-out pictures."""
        s = self.settings
        torch.manual_seed(s.runtime.seed)
        network = self._initialize(train, s.runtime.resume and (out / "last.pt").exists())
        networks.freeze_below(network, s.features.train_from)
        trainer = Trainer(
            network,
            self.source,
            train,
            out,
            s.tuning,
            s.runtime,
            identity=s.public(),
            score=(lambda upper: self._scores(upper, held_out)) if len(held_out) and s.tuning.score_every else None,
            ranks=self.ranks,
        )
        while trainer.epoch < s.tuning.epochs:
            trainer.one_epoch()
        self._fitted = trainer.trained
        self.network = self._fitted.network

    def logits(self, test: Sequence[int]) -> np.ndarray:
        """(len(test), classes) logits, each picture whole and preprocessed as for inference."""
        return predict_logits(self._fitted, self.source, test, self.settings.runtime.precision, self.ranks)

    def score(self, items: Sequence[Item]) -> np.ndarray:
        """(len(items), classes) logits of other pictures, each whole and preprocessed as for inference."""
        network = self.network
        assert isinstance(network, DALAResNet50 | LibraryNetwork)  # noqa: S101  it was fitted  # nosec B101
        runtime = self.settings.runtime
        return inference.logits(network, items, runtime.workers, bf16=runtime.precision == "bf16")

    def _scores(self, upper: nn.Module, held_out: Sequence[int]) -> dict[str, Any]:
        logits = predict_logits(upper, self.source, held_out, self.settings.runtime.precision, self.ranks)
        labels = np.array([self.items[i].label for i in held_out])
        patients = np.array([self.items[i].patient for i in held_out])
        scores = metrics.report(labels, softmax(logits, axis=1), patients).to_json()
        return {k: v for k, v in scores.items() if isinstance(v, int | float | None)}


class LibraryCandidate(_NetworkCandidate):
    """A network of torchvision or timm, fine-tuned as a whole on pictures."""

    def __init__(
        self,
        settings: Settings,
        items: list[Item],
        class_names: list[str],
        device: torch.device,
        ranks: Ranks = SINGLE,
    ) -> None:
        super().__init__(settings, items, class_names, device, ranks)
        self.initialization = initialization_name(settings.features)
        self.source = PictureDataset(items, self.preprocessing, settings.features)

    def _initialize(self, train: Sequence[int], resumed: bool) -> DALAResNet50 | LibraryNetwork:
        name, init = self.settings.features.network, self.settings.features.init
        pretrained = init == "pretrained"
        network = networks.build(name, self.class_names, self.preprocessing, pretrained=pretrained)
        if isinstance(network, LibraryNetwork) and init and not pretrained:
            load_library(network, init)
        return network.to(memory_format=torch.channels_last).to(self.device)


class DALACandidate(_NetworkCandidate):
    """DALAResNet50 or an ablation of it: a probe on frozen ImageNet features, then fine-tuning of the upper stages.

    The inputs are cached features of the frozen stages, or pictures where `views` is 0.
    """

    def __init__(
        self,
        settings: Settings,
        items: list[Item],
        class_names: list[str],
        device: torch.device,
        ranks: Ranks = SINGLE,
    ) -> None:
        super().__init__(settings, items, class_names, device, ranks)
        model, self.initialization, cache = initialize_and_extract(
            items, class_names, self.preprocessing, settings.features, settings.runtime, device, ranks
        )
        state = model.state_dict()
        self.backbone = {k: v.cpu().clone() for k, v in state.items() if not k.startswith(("attention.", "head."))}
        self.pooled, self.places = cache.pooled["layer4"], cache.sampled
        self.source = (
            FeatureDataset(items, cache, settings.features)
            if settings.features.views
            else PictureDataset(items, self.preprocessing, settings.features)
        )

    def restore(self, network: DALAResNet50) -> None:
        """Score with a saved network of this candidate, instead of the last fit."""
        self.network = network.to(memory_format=torch.channels_last).to(self.device)
        self._fitted = UpperStages(self.network, self.source.first_stage)

    def score(self, items: Sequence[Item]) -> np.ndarray:
        """(len(items), classes) logits of other pictures, each whole and preprocessed as for inference.

        Frozen stages are the same in every fold and in every network of these settings: their features are cached.
        Those of changed pictures are not, since each held-out picture is scored by one network only.
        """
        s = self.settings
        if not s.features.views or any(item.shift for item in items):
            return super().score(items)
        features = replace(s.features, views=1)
        cache = extract(self._start("dala"), items, features, s.runtime)
        source = FeatureDataset(items, cache, features)
        return predict_logits(self._fitted, source, range(len(items)), s.runtime.precision)

    def _start(self, name: str) -> DALAResNet50:
        """A network with the initial stages, and noise above."""
        network = networks.build(name, self.class_names, self.preprocessing, self.settings.tuning.dropout)
        assert isinstance(network, DALAResNet50)  # noqa: S101  of these names  # nosec B101
        network.load_state_dict({**network.state_dict(), **self.backbone})
        return network.to(memory_format=torch.channels_last).to(self.device)

    def _initialize(self, train: Sequence[int], resumed: bool) -> DALAResNet50 | LibraryNetwork:
        s = self.settings
        network = self._start(s.features.network)
        if s.probe.epochs and not resumed:
            pooled, items = self.pooled[list(train)], [self.items[i] for i in train]
            if s.probe.kind == "linear":
                probes.fit_linear(network, pooled, items, s.probe, self.places and self.places.of(list(train)))
            else:
                probes.fit_network(network, pooled, items, s.probe, s.tuning, s.runtime.seed)
        return network


@torch.inference_mode()
def predict_logits(
    network: nn.Module, source: Source, indices: Sequence[int], precision: str | None = None, ranks: Ranks = SINGLE
) -> np.ndarray:
    """Logits (n, classes) of uncropped pictures in evaluation mode; each process computes its share.

    Args:
        network: from the source's first stage up, on its device.
        source: of the inputs.
        indices: of the n pictures.
        precision: "bf16" for autocast.
        ranks: the processes that share the pictures.
    """
    device, training = next(network.parameters()).device, network.training
    network.eval()
    mine = list(indices)[ranks.rank :: ranks.world_size]
    rows: dict[int, np.ndarray] = {}
    for batch in tqdm(source.batches(mine), "scoring", unit="batch", disable=None, leave=False):
        x = torch.stack([source.uncropped(i) for i in batch]).to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = network(x).float().cpu().numpy()
        rows.update(zip(batch, logits, strict=True))
    for part in ranks.gather(rows):
        rows.update(part)
    network.train(training)
    return np.stack([rows[i] for i in indices])
