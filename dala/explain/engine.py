"""Runs a network stage by stage: once, without a graph below the layers asked about, within the memory there is."""

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dala.cam.targets import Score, total_score
from dala.models.dala_resnet import STAGES, DALAResNet50

__all__ = ["Engine", "Pass", "folded"]

Stage = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Pass:
    """What a forward and a small backward pass leave of N pictures.

    Attributes:
        logits: (N, classes).
        activations, gradients: by layer, (N, C, h, w); the gradients are of each picture's score.
        gates: by stage that scales its channels, (N, C), by how much.
        seconds: that the passes took.
        device: the type of device that they ran on.
    """

    logits: Tensor
    activations: dict[str, Tensor]
    gradients: dict[str, Tensor]
    gates: dict[str, Tensor]
    seconds: float
    device: str

    def to(self, device: torch.device) -> "Pass":
        """The same with its tensors on another device."""
        a, g, gates = (
            {k: v.to(device) for k, v in kept.items()} for kept in (self.activations, self.gradients, self.gates)
        )
        return replace(self, logits=self.logits.to(device), activations=a, gradients=g, gates=gates)


class Engine:
    """A network cut into stages. Keeps no state between calls, sets no hook, touches no parameter's gradient.

    Args:
        stages: functions by name, in the order of the data.
        head: from the last stage's output to (N, classes) logits.
        device: where inputs are moved to; the stages are there already.

    Attributes:
        half: run what lies below the layer asked about in fp16, with half the memory; from the layer on, fp32. On by
            default on CUDA. Maps then part from fp32's by up to 1 % of their maximum, and EigenGrad-CAM's, whose
            components can lie close together, by up to 3 % (tests/explain/test_engine.py); bf16 has fewer digits.
    """

    def __init__(self, stages: Mapping[str, Stage], head: Stage, device: torch.device) -> None:
        self.stages, self.last, self.device = dict(stages), head, device
        self.half = device.type == "cuda"

    @classmethod
    def of(cls, model: DALAResNet50, device: torch.device) -> "Engine":
        """Of a copy of a network as it is now, folded and moved to a device."""
        fast = folded(model).to(memory_format=torch.channels_last).to(device)
        return cls({name: getattr(fast, name) for name in STAGES}, fast.head, device)

    def head(self, layer: str) -> Stage:
        """The rest of the network from a layer's output on."""
        names = list(self.stages)
        rest = names[names.index(layer) + 1 :]

        def run(x: Tensor) -> Tensor:
            x = x.clone()  # a stage may write into what it is given
            for name in rest:
                x = self.stages[name](x)
            return self.last(x)

        return run

    def network(self, x: Tensor, half: bool = False) -> Tensor:
        """(N, 3, H, W) -> (N, classes) logits, without a graph; `half` in bf16 where the device is a CPU."""
        with torch.no_grad(), self._mixed(half):
            for stage in self.stages.values():
                x = stage(x)
            return self.last(x).float()

    def run(self, x: Tensor, layers: Sequence[str], choose: Callable[[Tensor], list[Score]]) -> Pass:
        """One forward pass, and one backward pass that ends at the lowest of the layers.

        Args:
            x: (N, 3, H, W) normalised pictures.
            layers: names of stages, one or more; several share both passes.
            choose: from the logits to one score a picture.
        """
        began = time.perf_counter()
        x = x.to(self.device, memory_format=torch.channels_last)
        names = list(self.stages)
        gates: dict[str, Tensor] = {}
        lowest = min(names.index(layer) for layer in layers)
        with torch.no_grad(), self._mixed():
            for name in names[: lowest + 1]:
                gates |= self._gate(name, x)
                x = self.stages[name](x)
        with torch.enable_grad():
            a = x.float().detach().requires_grad_()
            kept = {names[lowest]: a}
            a = a.clone()  # a stage may write into what it is given
            for name in names[lowest + 1 :]:
                gates |= self._gate(name, a)
                a = self.stages[name](a)
                kept |= {name: a} if name in layers else {}
            logits = self.last(a)
            total = total_score(choose(logits.detach()), logits)
            gradients = torch.autograd.grad(total, list(kept.values()))
        return Pass(
            logits=logits.detach(),
            activations={name: a.detach() for name, a in kept.items()},
            gradients=dict(zip(kept, gradients, strict=True)),
            gates=gates,
            seconds=time.perf_counter() - began,
            device=self.device.type,
        )

    @torch.no_grad()
    def _gate(self, name: str, x: Tensor) -> dict[str, Tensor]:
        gate = getattr(self.stages[name], "gate", None)
        return {name: gate(x).flatten(1).float()} if gate else {}

    def _mixed(self, half: bool = False) -> torch.autocast:
        if half and self.device.type == "cpu":
            return torch.autocast("cpu", torch.bfloat16)
        return torch.autocast(self.device.type, torch.float16, enabled=self.half)


def folded(model: DALAResNet50) -> DALAResNet50:
    """A copy of a network in evaluation mode whose batch-norms are folded into the convolutions before them.

    Fewer passes over memory, the same function to float32's rounding: where the feature maps would part by more than
    1e-5 of their largest value, the copy is left unfolded.
    """
    plain, result = copy.deepcopy(model).eval(), copy.deepcopy(model).eval()
    # torchvision registers each batch-norm right after its convolution.
    for module in list(result.modules()):
        for (first, conv), (second, norm) in pairwise(list(module.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, first, fuse_conv_bn_eval(conv, norm))
                setattr(module, second, nn.Identity())
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).to(next(model.parameters()).device)
    with torch.no_grad():
        expected, got = plain.features(x), result.features(x)
    return result if (got - expected).abs().max() <= 1e-5 * expected.abs().max() else plain
