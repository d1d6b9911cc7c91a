"""Our methods against pytorch-grad-cam, torchcam and captum: same network, memory format, dtype, layer and input.

    python tests/benchmarks/peers.py

Times are medians of alternating runs, in units of one plain forward pass of the same network in the same memory format;
our own forward pass, batch-norm folded, stands beside it. Writes `tests/benchmarks/peers.json`, which the README shows.
`--quick` takes fewer rounds and leaves out what takes minutes.
"""

import argparse
import contextlib
import copy
import io
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import AblationCAM, GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torchcam.methods import GradCAM as TorchCam

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from dala import DALAResNet50, Explainer, cam
from dala.heatmaps import render, resize, thresholds
from dala.images import preprocessing, reading
from dala.publishing import samples

SEVEN = ("grad_cam", "grad_cam_pp", "hires_cam", "xgrad_cam", "layer_cam", "eigen_cam", "eigen_grad_cam")
TARGET = 1


class Below(nn.Module):
    def __init__(self, model: DALAResNet50) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model.features(x)


class Split(nn.Module):
    """The network as the peers want it: with a module whose output are the feature maps."""

    def __init__(self, model: DALAResNet50) -> None:
        super().__init__()
        self.below, self.head = Below(model), model.head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.below(x))


def medians(jobs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each job, the jobs taken in turn so that drift hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for i in range(rounds + 1):
        for name, job in jobs.items():
            began = time.perf_counter()
            job()
            if i:
                times[name].append(time.perf_counter() - began)
    return {name: float(np.median(t)) for name, t in times.items()}


def maps_of(explainer: Explainer, x: torch.Tensor, methods: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Our path from the input tensor on, as the peers' begins there."""
    done = explainer.engine.run(x, ("attention",), lambda logits: [("", lambda v: v[:, TARGET])] * len(x))
    head = explainer.engine.head("attention")
    heads = [lambda a: head(a)[:, TARGET]] * len(x)
    with torch.no_grad():
        a, g = done.activations["attention"], done.gradients["attention"]
        return {m: cam.METHODS[m](a, g, heads) for m in methods}


def seven_and_dt(explainer: Explainer, x: torch.Tensor) -> None:
    maps = maps_of(explainer, x, SEVEN)
    for raw in maps.values():
        thresholds.apply(resize.upsample(raw[0].relu(), x.shape[2:]))


def jobs_of(explainer: Explainer, x: torch.Tensor) -> dict[str, Callable[[], object]]:
    """One Grad-CAM of a batch by each library."""
    split = Split(explainer.model)
    captum = LayerGradCam(split, split.below)

    def pytorch_grad_cam() -> None:
        with GradCAM(split, [split.below]) as extractor:
            extractor(x, [ClassifierOutputTarget(TARGET)] * len(x))

    def torchcam() -> None:
        with TorchCam(split, split.below) as extractor:
            extractor(TARGET, split(x), normalized=False)

    return {
        "Grad-CAM: dala": lambda: maps_of(explainer, x, ("grad_cam",)),
        "Grad-CAM: torchcam": torchcam,
        "Grad-CAM: captum": lambda: captum.attribute(x, TARGET, relu_attributions=True),
        "Grad-CAM: pytorch-grad-cam": pytorch_grad_cam,
    }


def at_size(model: DALAResNet50, size: tuple[int, int], rounds: int) -> dict[str, float]:
    """Every row at one input size (height, width), for one picture."""
    explainer = Explainer(model, "cpu")
    naive = DALAResNet50(model.class_names).eval()
    naive.load_state_dict(model.state_dict())
    picture = reading.read(samples.find()[0].file).resize(size[::-1])
    x = preprocessing.to_tensor(picture, preprocessing.Preprocessing(*size)).contiguous(
        memory_format=torch.channels_last
    )
    flat = x.contiguous()

    def plain(network: nn.Module, x: torch.Tensor) -> None:
        with torch.no_grad():
            network(x)

    return medians(
        {
            "plain forward, channels_last": lambda: plain(model, x),
            "plain forward, NCHW": lambda: plain(naive, flat),
            "our forward, batch-norm folded": lambda: explainer.engine.network(x),
            **jobs_of(explainer, x),
            "seven methods and DT: dala": lambda: seven_and_dt(explainer, x),
            "Ablation-CAM, 2048 channels: dala": lambda: maps_of(explainer, x, ("ablation_cam",)),
            "Head-Score-CAM: dala": lambda: maps_of(explainer, x, ("head_score_cam",)),
        },
        rounds,
    )


def batch_of_32(name: str) -> None:
    """In a process of its own, whose peak memory is then this library's: images per second and MB, as JSON."""
    explainer = Explainer.load(device="cpu")
    explainer.model.to(memory_format=torch.channels_last)
    x = torch.randn(32, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    x = x.contiguous(memory_format=torch.channels_last)
    seconds = medians({name: jobs_of(explainer, x)[name]}, 3)[name]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps({"images/s": round(32 / seconds, 1), "peak MB": round(peak)}))


def ablation_of_peer(network: nn.Module, layer: nn.Module, size: tuple[int, int]) -> float:
    """One run of pytorch-grad-cam's Ablation-CAM over all channels, in seconds."""
    x = torch.randn(1, 3, *size).contiguous(memory_format=torch.channels_last)
    began = time.perf_counter()
    with contextlib.redirect_stderr(io.StringIO()), AblationCAM(network, [layer]) as extractor:
        extractor(x, [ClassifierOutputTarget(TARGET)])
    return time.perf_counter() - began


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def growth(explainer: Explainer, count: int) -> dict[str, float]:
    """Resident memory after 50 and after all explanations of a 224x224 picture."""
    file, readings = samples.find()[0].file, {}
    for i in range(1, count + 1):
        explainer.explain(file)
        if i in (50, count):
            readings[f"MB after {i}"] = resident_mb()
    return readings


def redraw() -> float:
    """Seconds to threshold a map again and draw both pictures at 448 px."""
    picture = reading.read(samples.find()[0].file).resize((448, 448))
    heat = resize.upsample(torch.rand(14, 14), (448, 448))

    def job() -> None:
        kept = thresholds.apply(heat)
        render.overlay(picture, heat, 1.0)
        render.overlay(picture, heat, 1.0, kept.mask)

    return medians({"job": job}, 20)["job"]


def speed(model: DALAResNet50, rounds: int) -> dict[str, object]:
    """The table of single pictures at both sizes."""
    result: dict[str, object] = {}
    for size in ((224, 224), (460, 700)):
        seconds = at_size(model, size, rounds)
        unit = seconds["plain forward, channels_last"]
        ratios = {job: round(s / unit, 3) for job, s in seconds.items()}
        result[f"{size[1]}x{size[0]}"] = {"plain forward, ms": round(1000 * unit, 1), **ratios}
        print(f"\n{size[1]}x{size[0]}, in plain forward passes of {1000 * unit:.0f} ms")
        for job, ratio in ratios.items():
            print(f"  {job:36} {ratio:6.3f}")
    return result


def slow_ones(model: DALAResNet50, ours: float) -> dict[str, object]:
    """What takes minutes: the peer's Ablation-CAM, batches in processes of their own, a thousand explanations."""
    split = Split(copy.deepcopy(model))
    hooked = copy.deepcopy(model)
    whole = ablation_of_peer(hooked, hooked.attention, (224, 224))
    cut = ablation_of_peer(split, split.below, (224, 224))
    result: dict[str, object] = {
        "Ablation-CAM at 224x224, pytorch-grad-cam over ours": round(whole / ours),
        "the same where it need not rerun the network": round(cut / ours),
    }
    for name in ("dala", "torchcam", "captum", "pytorch-grad-cam"):
        command = [sys.executable, __file__, "--batch", f"Grad-CAM: {name}"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        result[f"batch of 32 at 224x224: {name}"] = json.loads(told)
    small = DALAResNet50(model.class_names, preprocessing.Preprocessing(224, 224))
    small.load_state_dict(model.state_dict())
    first, last = growth(Explainer(small, "cpu"), 1000).values()
    result["resident memory, 1000 explanations against 50"] = f"{last / first - 1:+.1%}"
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--batch", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.batch:
        return batch_of_32(args.batch)
    model = Explainer.load(device="cpu").model.to(memory_format=torch.channels_last)
    result: dict[str, Any] = {"machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"}
    result |= speed(model, 3 if args.quick else 11)
    more: dict[str, object] = {"threshold and both pictures at 448 px, ms": round(1000 * redraw(), 1)}
    if not args.quick:
        at_224 = result["224x224"]
        ours = at_224["Ablation-CAM, 2048 channels: dala"] * at_224["plain forward, ms"] / 1000
        more |= slow_ones(model, ours)
    print()
    for name, value in more.items():
        print(f"{name}: {value}")
    if not args.quick:
        Path(__file__).with_suffix(".json").write_text(json.dumps(result | more, indent=2) + "\n")
    return None


if __name__ == "__main__":
    main()
