"""Images per second of training with every layer trained, at 224x224: ours against a plain fp32 NCHW loop.

    python tests/benchmarks/train_speed.py [--rounds 5] [--threads 1]

Ours is the step of `dala.training.trainer` in bf16 and channels_last, on pictures of three sets of different sizes and
scales, with decoding and every augmentation at its default strength. The plain loop trains the same network on tensors
already in memory, as torchvision's reference does without `--amp`. A third loop is ours on tensors in memory: what
decoding and augmentation cost. The loops take turns, and the figures are medians of the rounds' ratios, of the time
that passed and of the processor's time, so that other work on the machine has little effect; on a busy one use one
thread, since of several each waits for the slowest, and waiting takes the processor's time.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from torch import Tensor

from dala.data import datasets
from dala.data.items import Item
from dala.images.preprocessing import Preprocessing
from dala.models.dala_resnet import DALAResNet50
from dala.phantoms import dataset
from dala.training.config import Settings
from dala.training.datasets import Batch, PictureDataset
from dala.training.trainer import Trainer, freeze_batch_norm

BATCH, STEPS, SIDE = 16, 1, 224
# Width, height and zoom of the pictures of each set: of the training size, enlarged, and tiles smaller than a crop.
SETS = {"first": ((SIDE, SIDE), None), "second": ((448, 336), 0.6), "tiles": ((160, 160), 1.0)}


class InMemory(PictureDataset):
    """The same, with a batch decoded and augmented beforehand."""

    def __getitem__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        if not hasattr(self, "ready"):
            self.ready = super().__getitem__(batch)
        return self.ready


class Unsaved(Trainer):
    """A trainer that leaves its checkpoint out, which takes the disk's time."""

    def _save(self) -> None:
        """Write nothing."""


def sets(root: Path) -> list[Item]:
    items = []
    for name, (size, zoom) in SETS.items():
        dataset.make_folder(root / name, dataset.Recipe(BATCH, size=size))
        items += [replace(i, source=name, zoom=zoom) for i in datasets.read(root / name, "folder").items]
    return items


def ours(items: list[Item], out: Path, precision: str, kind: type[PictureDataset]) -> Callable[[], None]:
    settings = Settings.from_options(
        height=SIDE, width=SIDE, crop=SIDE, train_from="stem", views=0, batch=BATCH, precision=precision, out=out,
        workers=0, epochs=1000,
    )  # fmt: skip
    preprocessing = Preprocessing(SIDE, SIDE)
    model = DALAResNet50(preprocessing=preprocessing).to(memory_format=torch.channels_last)
    source = kind(items, preprocessing, settings.features)
    trainer = Unsaved(model, source, range(len(items)), out, settings.tuning, settings.runtime)
    trainer.steps = STEPS
    return trainer.one_epoch


def plain() -> Callable[[], None]:
    model = DALAResNet50()
    model.train()
    freeze_batch_norm(model)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)
    x, y = torch.randn(BATCH, 3, SIDE, SIDE), torch.randint(2, (BATCH,))

    def train() -> None:
        for _ in range(STEPS):
            loss = torch.nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return train


def measured(loops: dict[str, Callable[[], None]], rounds: int) -> dict[str, np.ndarray]:
    """Seconds a picture of each loop: (rounds, 2), passed and the processor's; a first round warms up."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
    for k in range(rounds + 1):
        for name, loop in loops.items():
            began, used = time.perf_counter(), time.process_time()
            loop()
            seconds[name].append((time.perf_counter() - began, time.process_time() - used))
            print(
                f"{k or 'warm-up'}: {name}, {seconds[name][-1][0]:.1f} s, processor's {seconds[name][-1][1]:.1f} s",
                file=sys.stderr,
            )
    return {name: np.array(rows[1:]) / (BATCH * STEPS) for name, rows in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often the loops take turns (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="(default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        items = sets(Path(folder))
        loops = {
            "plain fp32 NCHW": plain(),
            "ours bf16": ours(items, Path(folder), "bf16", PictureDataset),
            "ours bf16, tensors in memory": ours(items, Path(folder), "bf16", InMemory),
            "ours fp32": ours(items, Path(folder), "fp32", PictureDataset),
        }
        seconds = measured(loops, args.rounds)
    reference = seconds["plain fp32 NCHW"]
    print(f"{'':30} images/s   times plain: passed (range), processor's")
    for name, rows in seconds.items():
        ratios = reference / rows
        (passed, used), low, high = np.median(ratios, 0), ratios[:, 0].min(), ratios[:, 0].max()
        rate = 1 / np.median(rows[:, 0])
        print(f"{name:30} {rate:8.1f}   {passed:.2f} ({low:.2f} to {high:.2f}), {used:.2f}", flush=True)


if __name__ == "__main__":
    main()
