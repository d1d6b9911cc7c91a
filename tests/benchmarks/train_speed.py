"""Images per second of training with every layer trained, at 224x224: ours against a plain fp32 NCHW loop.

    python tests/benchmarks/train_speed.py

Ours is the step of `dala.finetune` with augmentation and decoding, bf16 and channels_last; the plain loop trains the
same network on tensors already in memory, as torchvision's reference does without `--amp`.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dala import data, phantom
from dala.finetune import Run, freeze_batch_norm
from dala.images import Preprocessing
from dala.model import DALAResNet50
from dala.settings import Settings

BATCH, STEPS = 16, 8


def ours(root: Path, precision: str) -> float:
    settings = Settings(
        data=root, height=224, width=224, crop=224, train_from="stem", batch=BATCH, precision=precision, out=root.parent
    )
    model = DALAResNet50(preprocessing=Preprocessing(224, 224)).to(memory_format=torch.channels_last)
    items, _ = data.folder(root)
    run = Run(settings, model, (items, items[:2] + items[-2:]), None)
    run.one_epoch()  # warm-up: primitives are compiled and workers started
    run.one_epoch()
    return float(run.log[-1]["images_per_second"])


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
        phantom.make_folder(root, BATCH * STEPS, size=(224, 224))
        reference = plain()
        print(f"plain fp32 NCHW          {reference:5.1f} images/s")
        for precision in ("fp32", "bf16"):
            rate = ours(root, precision)
            print(f"ours {precision} channels_last  {rate:5.1f} images/s, {rate / reference:.1f} times as many")


if __name__ == "__main__":
    main()
