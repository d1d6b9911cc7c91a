"""One network from start to finish: start, probe, fine-tuning, and its logits on pictures that it did not see."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor, nn
from tqdm import tqdm

from dala.data import loading
from dala.data.items import Item
from dala.evaluation import metrics
from dala.images.preprocessing import Preprocessing
from dala.models.dala_resnet import STAGES, DALAResNet50
from dala.training import baselines, initialization, networks, probes
from dala.training.config import Settings
from dala.training.datasets import Decoded, Kept
from dala.training.distributed import ALONE, Ranks
from dala.training.feature_cache import extract
from dala.training.networks import Named, Upper
from dala.training.trainer import Run

__all__ = ["Job", "fit", "logits", "prepare"]

STRIDES = dict(zip(STAGES, (4, 4, 8, 16, 32), strict=False))


@dataclass(frozen=True)
class Job:
    """What all networks of a run share.

    Attributes:
        settings: filled in for the device.
        items: all labelled pictures.
        class_names: of their labels.
        preprocessing: of the networks.
        device: where they are trained.
        ranks: the processes that train together.
        state: the start's weights, by torchvision's key names; None for networks with a start of their own.
        started: what the start was, for the report.
        source: of the input.
        pooled: features of the start, see `Frozen.pooled`; empty where there are none.
        statistics: features of a baseline that has no network, else None.
    """

    settings: Settings
    items: list[Item]
    class_names: list[str]
    preprocessing: Preprocessing
    device: torch.device
    ranks: Ranks
    state: dict[str, Tensor] | None
    started: dict[str, Any]
    source: Decoded | Kept
    pooled: dict[str, Tensor]
    statistics: np.ndarray | None


def prepare(
    settings: Settings, items: list[Item], class_names: list[str], device: torch.device, ranks: Ranks = ALONE
) -> Job:
    """Load the start, and compute or find what its frozen stages see of every picture.

    Raises:
        DataError, WeightsError: pictures or a start that cannot be used.
    """
    magnification = settings.magnification if settings.format == "breakhis" else None
    preprocessing = Preprocessing(
        settings.height,
        settings.width,
        magnification=magnification,
        um_per_pixel=settings.um_per_pixel,
        enlargement=_enlargement(items, settings),
    )
    source: Decoded | Kept = Decoded(items, preprocessing, settings)
    state, started, pooled, statistics = None, {"name": Path(settings.init or "random").name}, {}, None
    own = settings.network in (*networks.DALA, "probe")
    if own:
        model = DALAResNet50(class_names, preprocessing)
        started = initialization.load_imagenet(model, settings.init)
        state = {k: v.clone() for k, v in model.state_dict().items() if not k.startswith(("attention.", "head."))}
        model.to(memory_format=torch.channels_last).to(device)
        # Without kept views the pooled features alone are needed, for the probe.
        seen = settings if settings.views else replace(settings, views=4, train_from="layer4")
        frozen = extract(model, items, seen, ranks)
        pooled = frozen.pooled
        if settings.views and settings.network != "probe":
            source = Kept(items, frozen, settings, STRIDES[STAGES[STAGES.index(settings.train_from) - 1]])
    if settings.network in baselines.BASELINES:
        statistics = baselines.pooled(pooled) if own else baselines.colour(items)
    return Job(settings, items, class_names, preprocessing, device, ranks, state, started, source, pooled, statistics)


def _enlargement(items: Sequence[Item], settings: Settings) -> float:
    """By how much pictures are enlarged to the area of the training size; of most, where their sizes differ."""
    areas = [p.width * p.height for p in (loading.read(item) for item in items[:: max(1, len(items) // 32)])]
    return round(float((settings.height * settings.width / np.median(areas)) ** 0.5), 4)


def fit(job: Job, chosen: Sequence[int], out: Path, held: Sequence[int] = ()) -> Upper:
    """Train one network on the chosen pictures, in its folder; figures of the held-out ones go to the log.

    Returns:
        the trained network is its `network`.
    """
    s = job.settings
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(s.seed)
    network = networks.build(s.network, job.class_names, job.preprocessing, s.dropout, s.init == "pretrained")
    if isinstance(network, DALAResNet50) and job.state is not None:
        network.load_state_dict({**network.state_dict(), **job.state})
    elif isinstance(network, Named) and s.init not in (None, "pretrained"):
        initialization.load_named(network, s.init or "")
    network.to(memory_format=torch.channels_last).to(job.device)
    if isinstance(network, DALAResNet50) and s.probe_epochs and not (s.resume and (out / "last.pt").exists()):
        pooled, items = job.pooled["layer4"][list(chosen)], [job.items[i] for i in chosen]
        if s.probe == "linear":
            probes.fit(network, pooled, items, s.probe_strength)
        else:
            probes.probe(network, pooled, items, s)

    def score(upper: nn.Module) -> dict[str, Any]:
        labels = np.array([job.items[i].label for i in held])
        patients = np.array([job.items[i].patient for i in held])
        told = metrics.report(labels, softmax(logits(job, upper, held), axis=1), patients).to_json()
        return {k: v for k, v in told.items() if isinstance(v, int | float | None)}

    run = Run(s, network, job.source, chosen, out, score if len(held) and s.score_every else None, job.ranks)
    while run.epoch < s.epochs:
        run.one_epoch()
    return run.trained


@torch.inference_mode()
def logits(job: Job, upper: nn.Module, chosen: Sequence[int]) -> np.ndarray:
    """Logits (n, classes) of pictures, each whole and as in the app; every process does its share."""
    training = upper.training
    upper.eval()
    mine = list(chosen)[job.ranks.rank :: job.ranks.world]
    rows: dict[int, np.ndarray] = {}
    bf16 = job.settings.precision == "bf16"
    for batch in tqdm(list(_alike(job, mine)), "scoring", unit="batch", disable=None, leave=False):
        x = torch.stack([job.source.whole(i) for i in batch]).to(job.device, memory_format=torch.channels_last)
        with torch.autocast(job.device.type, torch.bfloat16, enabled=bf16):
            told = upper(x).float().cpu().numpy()
        rows.update(zip(batch, told, strict=True))
    for part in job.ranks.gather(rows):
        rows.update(part)
    upper.train(training)
    return np.stack([rows[i] for i in chosen])


def _alike(job: Job, chosen: Sequence[int], most: int = 8) -> list[list[int]]:
    # Kept maps of one size go through together; decoded pictures one by one, since each may have a size of its own.
    if isinstance(job.source, Decoded):
        return [[i] for i in chosen]
    by_size: dict[tuple[int, int], list[int]] = {}
    for i in chosen:
        by_size.setdefault(job.source.frozen.places[i][1:], []).append(i)
    return [group[k : k + most] for group in by_size.values() for k in range(0, len(group), most)]
