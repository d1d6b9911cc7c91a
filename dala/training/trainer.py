"""The fine-tuning loop: every draw a function of seed and step, so that a resumed run equals an uninterrupted one."""

import csv
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, WeightedRandomSampler
from tqdm import tqdm

from dala import files
from dala.data.items import balanced_weights
from dala.models.dala_resnet import DALAResNet50
from dala.training import checkpoint
from dala.training.config import Settings, SettingsError
from dala.training.datasets import Decoded, Kept
from dala.training.distributed import ALONE, Ranks
from dala.training.networks import Named, Upper, trained_parameters

__all__ = ["Run", "freeze_batch_norm"]


class Run:
    """Fine-tuning of one network on one side of a split, epoch by epoch; `last.pt` and `log.csv` after each.

    Args:
        settings: of the run, filled in for the device.
        network: on its device; trained in place.
        source: of every picture's input.
        chosen: indices of the pictures to train on.
        out: folder of this run.
        score: gives figures for the log from the network as it is, or None.
        ranks: the processes that train together.

    Raises:
        SettingsError: a checkpoint of other settings or other pictures, or a batch that cannot be shared out.

    Attributes:
        step: how many are done.
        log: a row for each scoring and each epoch.
    """

    def __init__(
        self,
        settings: Settings,
        network: DALAResNet50 | Named,
        source: Decoded | Kept,
        chosen: Sequence[int],
        out: Path,
        score: Callable[[nn.Module], dict[str, Any]] | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        if settings.batch % ranks.world:
            raise SettingsError(f"--batch {settings.batch} cannot be shared out over {ranks.world} processes.")
        self.settings, self.network, self.source, self.chosen = settings, network, source, list(chosen)
        self.out, self.score, self.ranks = out, score, ranks
        self.upper = Upper(network, source.first)
        self.optimizer = _optimizer(settings, network)
        self.steps = max(1, len(self.chosen) // settings.batch)
        self.schedule = _warmup_cosine(self.optimizer, self.steps * settings.epochs, settings.warmup)
        if not settings.freeze_batch_norm and ranks.world > 1 and next(network.parameters()).is_cuda:
            nn.SyncBatchNorm.convert_sync_batchnorm(self.upper)
        averaging = get_ema_multi_avg_fn(settings.ema)
        self.ema = AveragedModel(self.upper, multi_avg_fn=averaging, use_buffers=True) if settings.ema else None
        self.step, self.total, self.log = 0, 0.0, list[dict[str, Any]]()
        self.same = [settings.public(), sorted(source.items[i].path.name for i in self.chosen)]
        if settings.resume and (out / "last.pt").exists():
            self._load()
        elif score:
            self._note({"epoch": 0, "loss": None, "images_per_second": None, **score(self.upper)})
        self.parallel = DistributedDataParallel(self.upper) if ranks.world > 1 else self.upper

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return self.step // self.steps

    @property
    def trained(self) -> Upper:
        """What came of it: the averaged weights if there are any, else the last ones."""
        return cast(Upper, self.ema.module) if self.ema else self.upper

    def one_epoch(self) -> None:
        """Train on as many pictures as there are, drawn so that classes and patients weigh the same; then save.

        Raises:
            KeyboardInterrupt: after Ctrl-C, once the step is done and saved.
            CheckpointError, DiskError: the disk is full.
        """
        s, began, first, whole, stopped = self.settings, time.perf_counter(), self.step, self.epoch + 1, False
        self.upper.train()
        if s.freeze_batch_norm:
            freeze_batch_norm(self.upper)
        with checkpoint.stoppable() as stop:
            bar = tqdm(self._loader(), f"epoch {whole}/{s.epochs}", unit="step", disable=None)
            for x, y in bar:
                # Together, or one process would wait for ever for another that has stopped.
                told = self.ranks.gather((self._step(x, y), stop.is_set()))
                self.total += sum(loss for loss, _ in told) / len(told)
                stopped = any(asked for _, asked in told)
                if stopped and self.step % self.steps:
                    self._save()
                    raise KeyboardInterrupt
        rate = (self.step - first) * s.batch / (time.perf_counter() - began)
        row = {"epoch": self.epoch, "loss": self.total / self.steps, "images_per_second": rate}
        self.total = 0.0
        if self.score and s.score_every and self.epoch % s.score_every == 0:
            row.update(self.score(self.trained))
        self._note(row)
        self._save()
        if stopped:
            raise KeyboardInterrupt

    def _loader(self) -> DataLoader[tuple[Tensor, int]]:
        s, items = self.settings, [self.source.items[i] for i in self.chosen]
        generator = torch.Generator().manual_seed(s.seed + 1000 * (self.epoch + 1))
        count = self.steps * s.batch
        drawn = WeightedRandomSampler(balanced_weights(items).tolist(), count, generator=generator)
        seeds = torch.randint(2**31, (count,), generator=generator).tolist()
        draws = [(self.chosen[i], seed) for i, seed in zip(drawn, seeds, strict=True)]
        mine = draws[self.step % self.steps * s.batch :][self.ranks.rank :: self.ranks.world]
        return DataLoader(
            self.source, s.batch // self.ranks.world, sampler=mine, num_workers=s.workers or 0, generator=generator
        )

    def _step(self, x: Tensor, y: Tensor) -> float:
        s, device = self.settings, next(self.network.parameters()).device
        # Dropout's draws, too, depend on the step alone.
        torch.manual_seed(s.seed + 7919 * self.step + self.ranks.rank)
        with torch.autocast(device.type, torch.bfloat16, enabled=s.precision == "bf16"):
            logits = self.parallel(x.to(device, memory_format=torch.channels_last))
            loss = nn.functional.cross_entropy(logits, y.to(device), label_smoothing=s.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        if self.ema:
            self.ema.update_parameters(self.upper)
        return loss.item()

    def _note(self, row: dict[str, Any]) -> None:
        self.log.append(row)
        if self.ranks.rank:
            return
        names = list(dict.fromkeys(name for r in self.log for name in r))
        with files.whole(self.out / "log.csv") as part, part.open("w", newline="") as stream:
            rows = csv.DictWriter(stream, names)
            rows.writeheader()
            rows.writerows(self.log)
        if self.settings.tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            with SummaryWriter(str(self.out / "tensorboard")) as board:
                for name, value in row.items():
                    if isinstance(value, int | float) and name != "epoch":
                        board.add_scalar(name, value, row["epoch"])

    def _save(self) -> None:
        if self.ranks.rank == 0:
            parts = {"network": self.network, "optimizer": self.optimizer, "schedule": self.schedule, "ema": self.ema}
            states = {name: part.state_dict() for name, part in parts.items() if part is not None}
            plain = {"step": self.step, "total": self.total, "log": self.log, "same": self.same}
            checkpoint.write({**states, **plain}, self.out / "last.pt")

    def _load(self) -> None:
        state = checkpoint.read(self.out / "last.pt")
        if state["same"] != self.same:
            raise SettingsError(f"{self.out / 'last.pt'} comes from other settings or pictures: resume with the same.")
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.ema:
            self.ema.load_state_dict(state["ema"])
        self.step, self.total, self.log = state["step"], state["total"], state["log"]


def freeze_batch_norm(model: nn.Module) -> None:
    """Keep ImageNet's running statistics: a batch of a few patients' stains would replace them by its own."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def _optimizer(settings: Settings, network: DALAResNet50 | Named) -> torch.optim.Optimizer:
    trained = trained_parameters(network, settings.train_from)
    new = [p for name in ("attention", "head") for p in getattr(network, name, nn.Identity()).parameters()]
    old = [p for p in trained if not any(p is q for q in new)]
    groups = [{"params": new, "lr": settings.head_lr}, {"params": old, "lr": settings.lr}]
    return torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=settings.weight_decay)


def _warmup_cosine(optimizer: torch.optim.Optimizer, steps: int, share: float) -> LRScheduler:
    warm = max(1, int(steps * share))
    rise = LinearLR(optimizer, 1 / warm, total_iters=warm)
    return SequentialLR(optimizer, [rise, CosineAnnealingLR(optimizer, max(1, steps - warm))], [warm])
