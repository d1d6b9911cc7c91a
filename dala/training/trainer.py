"""The fine-tuning loop. Every random draw depends on seed and step only, so a resumed run equals an uninterrupted one.

One epoch: draw pictures so that sources, classes and patients weigh the same, train on them, log, save a checkpoint.
"""

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
from dala.training.anchor import Anchor
from dala.training.config_parts import RuntimeConfig, SettingsError, TuningConfig
from dala.training.datasets import Source
from dala.training.distributed import SINGLE, Ranks
from dala.training.networks import LibraryNetwork, UpperStages

__all__ = ["Trainer", "freeze_batch_norm"]


class Trainer:
    """Fine-tune one network on one side of a split, epoch by epoch, with `last.pt` and `log.csv` after each.

    Args:
        network: on its device; the parameters that require gradients are trained in place.
        source: the dataset of inputs.
        chosen: indices of the pictures to train on.
        out: folder of the checkpoint and the log.
        tuning: of the optimizer, the schedule and the loss.
        runtime: seed, workers, precision, and whether to resume.
        identity: plain value that a checkpoint must share to be resumed, such as all settings of the run.
        score: network -> held-out scores for the log; None to log the loss only.
        ranks: the processes that train together.

    Raises:
        SettingsError: a checkpoint of other settings or pictures, or a batch that the processes cannot share.

    Attributes:
        step: number of completed steps.
        log: one row per scoring and epoch.
    """

    def __init__(
        self,
        network: DALAResNet50 | LibraryNetwork,
        source: Source,
        chosen: Sequence[int],
        out: Path,
        tuning: TuningConfig,
        runtime: RuntimeConfig,
        *,
        identity: Any = None,
        score: Callable[[nn.Module], dict[str, Any]] | None = None,
        ranks: Ranks = SINGLE,
    ) -> None:
        if tuning.batch % ranks.world_size:
            raise SettingsError(
                f"`batch` is {tuning.batch}, which {ranks.world_size} processes cannot share: choose a multiple."
            )
        self.tuning, self.runtime, self.network, self.source = tuning, runtime, network, source
        self.chosen, self.out, self.score, self.ranks = list(chosen), out, score, ranks
        self.upper = UpperStages(network, source.first_stage)
        self.optimizer = _optimizer(network, tuning)
        self.steps = max(1, len(self.chosen) // tuning.batch)
        self.schedule = _warmup_cosine(self.optimizer, self.steps * tuning.epochs, tuning.warmup)
        if not tuning.freeze_batch_norm and ranks.world_size > 1 and next(network.parameters()).is_cuda:
            nn.SyncBatchNorm.convert_sync_batchnorm(self.upper)
        averaging = get_ema_multi_avg_fn(tuning.ema)
        self.ema = AveragedModel(self.upper, multi_avg_fn=averaging, use_buffers=True) if tuning.ema else None
        self.anchor = Anchor(network) if tuning.pull or tuning.average < 1 else None
        self.step, self.total, self.log = 0, 0.0, list[dict[str, Any]]()
        self.identity = [identity, sorted(source.items[i].path.name for i in self.chosen)]
        if runtime.resume and (out / "last.pt").exists():
            self._load()
        elif score:
            self._log({"epoch": 0, "loss": None, "images_per_second": None, **score(self.upper)})
        self.parallel = DistributedDataParallel(self.upper) if ranks.world_size > 1 else self.upper

    @property
    def epoch(self) -> int:
        """Number of completed epochs."""
        return self.step // self.steps

    @property
    def trained(self) -> UpperStages:
        """The moving average of the weights, or the last ones; averaged with those before if `average` is below 1."""
        upper = cast(UpperStages, self.ema.module) if self.ema else self.upper
        if self.anchor is None or self.tuning.average == 1:
            return upper
        return UpperStages(self.anchor.averaged(upper.network, self.tuning.average), self.source.first_stage)

    def one_epoch(self) -> None:
        """Train for one epoch, then log and save.

        Raises:
            KeyboardInterrupt: after Ctrl-C, once the step is done and saved.
            CheckpointError, DiskError: the disk is full.
        """
        began, first, stopped = time.perf_counter(), self.step, False
        self.upper.train()
        if self.tuning.freeze_batch_norm:
            freeze_batch_norm(self.upper)
        with checkpoint.stoppable() as stop:
            title = f"epoch {self.epoch + 1}/{self.tuning.epochs}"
            for x, y in tqdm(self._loader(), title, unit="step", disable=None):
                # All processes stop together, or one would wait forever for another that has stopped.
                results = self.ranks.gather((self._step(x, y), stop.is_set()))
                self.total += sum(loss for loss, _ in results) / len(results)
                stopped = any(stop_requested for _, stop_requested in results)
                if stopped and self.step % self.steps:
                    self._save()
                    raise KeyboardInterrupt
        rate = (self.step - first) * self.tuning.batch / (time.perf_counter() - began)
        row = {"epoch": self.epoch, "loss": self.total / self.steps, "images_per_second": rate}
        self.total = 0.0
        if self.score and self.tuning.score_every and self.epoch % self.tuning.score_every == 0:
            row.update(self.score(self.trained))
        self._log(row)
        self._save()
        if stopped:
            raise KeyboardInterrupt

    def _loader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """The batches of this process in what is left of the epoch."""
        batch, items = self.tuning.batch, [self.source.items[i] for i in self.chosen]
        generator = torch.Generator().manual_seed(self.runtime.seed + 1000 * (self.epoch + 1))
        count = self.steps * batch
        drawn = WeightedRandomSampler(balanced_weights(items).tolist(), count, generator=generator)
        seeds = torch.randint(2**31, (count,), generator=generator).tolist()
        draws = [(self.chosen[i], seed) for i, seed in zip(drawn, seeds, strict=True)]
        left = range(self.step % self.steps * batch, count, batch)
        rows = range(self.ranks.rank, batch, self.ranks.world_size)
        mine = [(draws[k : k + batch], rows) for k in left]
        workers = self.runtime.workers or 0
        return DataLoader(self.source, batch_size=None, sampler=mine, num_workers=workers, generator=generator)

    def _step(self, x: Tensor, y: Tensor) -> float:
        device = next(self.network.parameters()).device
        # Dropout's draws, too, depend on the step only.
        torch.manual_seed(self.runtime.seed + 7919 * self.step + self.ranks.rank)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.runtime.precision == "bf16"):
            logits = self.parallel(x.to(device, memory_format=torch.channels_last))
            smoothing = self.tuning.label_smoothing
            loss = nn.functional.cross_entropy(logits, y.to(device), label_smoothing=smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.anchor and self.tuning.pull:
            self.anchor.pull(self.network, self.optimizer, self.tuning.pull)
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        if self.ema:
            self.ema.update_parameters(self.upper)
        return loss.item()

    def _log(self, row: dict[str, Any]) -> None:
        self.log.append(row)
        if not self.ranks.is_first:
            return
        names = list(dict.fromkeys(name for r in self.log for name in r))
        with files.atomic(self.out / "log.csv") as part, part.open("w", newline="") as stream:
            rows = csv.DictWriter(stream, names)
            rows.writeheader()
            rows.writerows(self.log)
        if self.runtime.tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            with SummaryWriter(str(self.out / "tensorboard")) as board:
                for name, value in row.items():
                    if isinstance(value, int | float) and name != "epoch":
                        board.add_scalar(name, value, row["epoch"])

    def _save(self) -> None:
        if self.ranks.is_first:
            parts = {"network": self.network, "optimizer": self.optimizer, "schedule": self.schedule, "ema": self.ema}
            states = {name: part.state_dict() for name, part in parts.items() if part is not None}
            plain = {"step": self.step, "total": self.total, "log": self.log, "same": self.identity}
            plain["start"] = self.anchor and self.anchor.weights
            checkpoint.write({**states, **plain}, self.out / "last.pt")

    def _load(self) -> None:
        state = checkpoint.read(self.out / "last.pt")
        if state["same"] != self.identity:
            raise SettingsError(f"{self.out / 'last.pt'} comes from other settings or pictures: resume with the same.")
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.ema:
            self.ema.load_state_dict(state["ema"])
        if self.anchor:
            self.anchor.load(state["start"])
        self.step, self.total, self.log = state["step"], state["total"], state["log"]


def freeze_batch_norm(model: nn.Module) -> None:
    """Keep the running statistics: a batch of a few patients' stains would replace ImageNet's by its own."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def _optimizer(network: DALAResNet50 | LibraryNetwork, tuning: TuningConfig) -> torch.optim.Optimizer:
    trained = [p for p in network.parameters() if p.requires_grad]
    new = [p for name in ("attention", "head") for p in getattr(network, name, nn.Identity()).parameters()]
    old = [p for p in trained if not any(p is q for q in new)]
    groups = [{"params": new, "lr": tuning.head_lr}, {"params": old, "lr": tuning.lr}]
    decay = 0.0 if tuning.pull else tuning.weight_decay
    return torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=decay, fused=True)


def _warmup_cosine(optimizer: torch.optim.Optimizer, steps: int, share: float) -> LRScheduler:
    warm = max(1, int(steps * share))
    rise = LinearLR(optimizer, 1 / warm, total_iters=warm)
    return SequentialLR(optimizer, [rise, CosineAnnealingLR(optimizer, max(1, steps - warm))], [warm])
