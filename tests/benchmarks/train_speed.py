"""Images per second of training with every layer trained, at 224x224: ours against a plain fp32 NCHW loop.

    python tests/benchmarks/train_speed.py

Ours is the step of `dala.training.trainer` with augmentation and decoding, bf16 and channels_last; the plain loop
trains the same network on tensors already in memory, as torchvision's reference does without `--amp`. A last row shows
how much faster ours would be if decoding cost nothing.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from torch import Tensor

from dala.data import datasets
from dala.images.preprocessing import Preprocessing
from dala.models.dala_resnet import DALAResNet50
from dala.phantoms import dataset
from dala.training.config import Settings
from dala.training.datasets import Draw, PictureDataset
from dala.training.trainer import Trainer, freeze_batch_norm

BATCH, STEPS = 16, 8


class InMemory(PictureDataset):
    """The same, with every picture decoded and augmented beforehand."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.ready = [super(InMemory, self).__getitem__((i, i)) for i in range(len(self.items))]

    def __getitem__(self, draw: Draw) -> tuple[Tensor, int]:
        return self.ready[draw[0]]


def ours(root: Path, precision: str, kind: type[PictureDataset] = PictureDataset) -> float:
    settings = Settings.from_options(
        data=root, height=224, width=224, crop=224, train_from="stem", views=0, batch=BATCH, precision=precision,
        out=root.parent, workers=0,
    )  # fmt: skip
    preprocessing = Preprocessing(224, 224)
    model = DALAResNet50(preprocessing=preprocessing).to(memory_format=torch.channels_last)
    items = datasets.read(root, "folder").items
    source = kind(items, preprocessing, settings.features)
    trainer = Trainer(model, source, range(len(items)), root.parent, settings.tuning, settings.runtime)
    for _ in range(3):  # the first is warm-up: primitives are compiled
        trainer.one_epoch()
    return max(float(row["images_per_second"]) for row in trainer.log[1:])


def plain() -> float:
    model = DALAResNet50()
    model.train()
    freeze_batch_norm(model)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)
    x, y = torch.randn(BATCH, 3, 224, 224), torch.randint(2, (BATCH,))
    times = []
    for _ in range(STEPS // 2 + 1):
        began = time.perf_counter()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        times.append(time.perf_counter() - began)
    return BATCH / float(np.median(times[1:]))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "phantoms"
        dataset.make_folder(root, dataset.Recipe(BATCH * STEPS, size=(224, 224)))
        reference = plain()
        print(f"plain fp32 NCHW          {reference:5.1f} images/s")
        for precision in ("fp32", "bf16"):
            rate = ours(root, precision)
            print(f"ours {precision} channels_last  {rate:5.1f} images/s, {rate / reference:.2f} times as many")
        ready = ours(root, "bf16", InMemory)
        print(f"the same, tensors in memory {ready:5.1f} images/s, {ready / rate:.2f} times ours with decoding")


if __name__ == "__main__":
    main()
