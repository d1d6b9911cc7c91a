"""The fine-tuning loop: augmentation, one epoch, scoring, checkpoints that resume to the bit."""

import csv
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler
from torchvision.transforms import v2
from tqdm import tqdm

from dala import data, evaluate, images, metrics
from dala.data import Item
from dala.model import STAGES, DALAResNet50
from dala.settings import Settings, SettingsError

__all__ = ["Run", "freeze_batch_norm", "load_last", "quarter_turns", "score", "trained_parameters"]


class _Augmented(Dataset[tuple[Tensor, int]]):
    def __init__(self, items: Sequence[Item], preprocessing: images.Preprocessing, settings: Settings) -> None:
        self.items, self.preprocessing = items, preprocessing
        j = settings.jitter
        self.augment = v2.Compose(
            [
                v2.RandomCrop(settings.crop, pad_if_needed=True, padding_mode="edge"),
                v2.RandomHorizontalFlip(),
                v2.Lambda(quarter_turns),
                v2.ColorJitter(j, j, j, j / 5) if j else v2.Identity(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(list(preprocessing.mean), list(preprocessing.std)),
            ]
        )

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = images.fit(evaluate.read(self.items[index]), self.preprocessing)
        return self.augment(v2.functional.pil_to_tensor(picture)), self.items[index].label


def quarter_turns(x: Tensor) -> Tensor:
    """(..., H, W) turned by 0, 90, 180 or 270 degrees at random, exactly and without interpolation."""
    return torch.rot90(x, int(torch.randint(4, ())), (-2, -1))


class Run:
    """Fine-tuning, one epoch at a time, after each of which `last.pt` and `log.csv` are written.

    Args:
        settings: of the run.
        model: on its device; trained in place.
        sides: training and held-out pictures.
        state: what `load_last` gave, to go on from; None to start, by scoring the network as it is.

    Raises:
        SettingsError: a state of other settings or another split.

    Attributes:
        epoch: how many are done.
        log: a row for each score, from epoch 0 (before fine-tuning) on.
        best: state dict, AUC and epoch of the network that told the held-out patients apart best.
    """

    def __init__(
        self,
        settings: Settings,
        model: DALAResNet50,
        sides: tuple[list[Item], list[Item]],
        state: dict[str, Any] | None,
    ) -> None:
        self.settings, self.model, (self.items, self.held_out) = settings, model, sides
        new = [p for m in (model.attention, model.head) for p in m.parameters()]
        old = [p for p in trained_parameters(model, settings.train_from) if not any(p is q for q in new)]
        groups = [{"params": new, "lr": settings.head_lr}, {"params": old, "lr": settings.lr}]
        self.optimizer = torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=settings.weight_decay)
        self.steps = max(1, len(self.items) // settings.batch)
        self.schedule = _warmup_cosine(self.optimizer, self.steps * settings.epochs, settings.warmup)
        self.epoch = 0
        self.log: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {"auc": -1.0}
        if state is None:
            self._score(loss=None, rate=None)
        else:
            if state["same"] != _same(settings, self.items, self.held_out):
                raise SettingsError("OUT/last.pt comes from other settings or other patients: resume with the same.")
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            self.epoch, self.log, self.best = state["epoch"], state["log"], state["best"]

    def one_epoch(self) -> None:
        """Train on as many pictures as there are, drawn so that classes and patients weigh the same; score; save."""
        s = self.settings
        # Seeded by epoch, not carried over: a resumed run draws what the uninterrupted one would have drawn.
        torch.manual_seed(s.seed + 1000 * (self.epoch + 1))
        loader = self._loader(torch.Generator().manual_seed(s.seed + 1000 * (self.epoch + 1)))
        self.model.train()
        freeze_batch_norm(self.model)
        total, began = 0.0, time.perf_counter()
        for x, y in tqdm(loader, f"epoch {self.epoch + 1}/{s.epochs}", unit="batch", disable=None):
            total += self._step(x, y)
        self.epoch += 1
        rate = self.steps * s.batch / (time.perf_counter() - began)
        self._score(total / self.steps, rate)

    def _loader(self, generator: torch.Generator) -> DataLoader[tuple[Tensor, int]]:
        s = self.settings
        chances = data.balanced_weights(self.items).tolist()
        drawn = WeightedRandomSampler(chances, self.steps * s.batch, generator=generator)
        pictures = _Augmented(self.items, self.model.preprocessing, s)
        return DataLoader(pictures, s.batch, sampler=drawn, num_workers=s.workers or 0, generator=generator)

    def _step(self, x: Tensor, y: Tensor) -> float:
        device = next(self.model.parameters()).device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"):
            logits = self.model(x.to(device, memory_format=torch.channels_last))
            loss = nn.functional.cross_entropy(logits, y.to(device), label_smoothing=self.settings.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    def _score(self, loss: float | None, rate: float | None) -> None:
        scored = score(self.model, self.held_out, self.settings)
        self.log.append({"epoch": self.epoch, "loss": loss, "images_per_second": rate, **scored.to_json()})
        if scored.auc > self.best["auc"]:
            state = {k: v.detach().cpu().clone() for k, v in self.model.state_dict().items()}
            self.best = {"auc": scored.auc, "epoch": self.epoch, "model": state}
        print(f"epoch {self.epoch}: held-out AUC {scored.auc:.3f}, balanced accuracy {scored.balanced_accuracy:.3f}")
        self._save()

    def _save(self) -> None:
        out = self.settings.out
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "epoch": self.epoch,
            "log": self.log,
            "best": self.best,
            "same": _same(self.settings, self.items, self.held_out),
        }
        torch.save(state, out / "last.pt.part")
        (out / "last.pt.part").replace(out / "last.pt")
        with (out / "log.csv").open("w", newline="") as stream:
            rows = csv.DictWriter(stream, list(self.log[0]))
            rows.writeheader()
            rows.writerows(self.log)


def load_last(settings: Settings, model: DALAResNet50) -> dict[str, Any] | None:
    """Fill the network from `last.pt` where a run is to be resumed, and return the rest of it; else None."""
    file = settings.out / "last.pt"
    if not settings.resume or not file.exists():
        return None
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    return state


def freeze_batch_norm(model: nn.Module) -> None:
    """Keep ImageNet's running statistics: a batch of a few patients' stains would replace them by its own."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def score(model: DALAResNet50, items: Sequence[Item], settings: Settings) -> metrics.Report:
    """The report of the network on labelled pictures."""
    predicted = evaluate.probabilities(model, items, settings.workers, settings.precision == "bf16")
    return evaluate.report(items, predicted)


def trained_parameters(model: DALAResNet50, first: str) -> list[nn.Parameter]:
    """Let gradients reach the stages from `first` of `STAGES` up, and no further down; the parameters they reach."""
    model.requires_grad_(True)
    for stage in STAGES[: STAGES.index(first)]:
        for name in ("conv1", "bn1") if stage == "stem" else (stage,):
            getattr(model, name).requires_grad_(False)
    return [p for p in model.parameters() if p.requires_grad]


def _same(settings: Settings, *sides: Sequence[Item]) -> list[Any]:
    # A network that goes on with another split has seen patients who are held out now.
    return [settings.public(), *(sorted({i.patient for i in side}) for side in sides)]


def _warmup_cosine(optimizer: torch.optim.Optimizer, steps: int, share: float) -> LRScheduler:
    warm = max(1, int(steps * share))
    rise = LinearLR(optimizer, 1 / warm, total_iters=warm)
    return SequentialLR(optimizer, [rise, CosineAnnealingLR(optimizer, max(1, steps - warm))], [warm])
