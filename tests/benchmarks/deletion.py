"""Deletion and insertion of one map at 20 steps, ours beside torchcam's, on the same scores.

    python tests/benchmarks/deletion.py [--repeat 3]

Both get the shipped weights, the picture at its size and the mean-colour baseline; torchcam gets the network as
PyTorch builds it, or in channels_last with --kind. Prints seconds, ratios, and both areas.
"""

import argparse
import json
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from torchcam.metrics import DeletionInsertionMetric

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from dala import Explainer
from dala.images import preprocessing
from dala.publishing import samples
from dala.trust.deletion import keep_remove
from dala.trust.infill import INFILLS

STEPS = 20


class Fixed:
    """A map as torchcam's extractors are asked for one: drawing it is not timed."""

    def __init__(self, model: torch.nn.Module, raw: torch.Tensor) -> None:
        self.model, self.raw = model, raw

    def __call__(self, *_: object, **__: object) -> list[torch.Tensor]:
        return [(self.raw / self.raw.max())[None]]

    def fuse_cams(self, cams: list[torch.Tensor]) -> torch.Tensor:
        return cams[0]

    def _hooks_off(self) -> nullcontext[None]:
        return nullcontext()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--kind", action="store_true", help="torchcam's network in channels_last, too")
    args = parser.parse_args()
    explainer = Explainer.load()
    e = explainer.explain(samples.find()[0].file, "malignant")
    size = explainer.preprocessing
    x = preprocessing.normalised(e.picture, size)
    baseline = preprocessing.normalised(INFILLS["mean"].fill(e.picture), size)
    pixels = e.picture.width * e.picture.height
    step = -(-pixels // STEPS)
    areas = [count / pixels for count in (*range(0, pixels, step), pixels)]
    model = explainer.model.to(memory_format=torch.channels_last) if args.kind else explainer.model
    layout = torch.channels_last if args.kind else torch.contiguous_format

    def torchcam() -> tuple[float, float]:
        metric = DeletionInsertionMetric(
            Fixed(model, e.maps["grad_cam"]), lambda logits: logits.softmax(1), steps=STEPS, baseline=baseline
        )
        metric.update(x.contiguous(memory_format=layout), class_idx=1)
        told = metric.summary()
        return told["deletion_auc"], told["insertion_auc"]

    def ours(half: bool) -> tuple[float, float]:
        found = keep_remove(explainer, e, areas=areas, half=half)
        return found.deletion(), found.insertion()

    ways = {"torchcam, fp32": torchcam, "dala, fp32": lambda: ours(False), "dala, bf16": lambda: ours(True)}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    areas_found = {}
    for _ in range(args.repeat):
        for name, way in ways.items():
            began = time.perf_counter()
            areas_found[name] = way()
            seconds[name].append(time.perf_counter() - began)
    best = {name: min(s) for name, s in seconds.items()}
    for name, s in best.items():
        deletion, insertion = areas_found[name]
        ratio = best["torchcam, fp32"] / s
        print(f"{name:16} {s:6.2f} s   {ratio:5.2f} times   deletion {deletion:.4f}   insertion {insertion:.4f}")
    print(json.dumps({"seconds": best, "areas": areas_found, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
