"""Runs a network stage by stage, once, without a graph below the explained layers."""

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dala import cam
from dala.cam.targets import Score, total_score
from dala.explain.form import Form
from dala.models.dala_resnet import STAGES, DALAResNet50
from dala.progress import Progress

__all__ = ["Choose", "Engine", "Pass", "Stage", "folded", "plain"]

Stage = Callable[[Tensor], Tensor]
Choose = Callable[[Tensor], Sequence[tuple[str, Score]]]


@dataclass(frozen=True)
class Pass:
    """The result of a forward and a small backward pass of N images.

    Attributes:
        logits: (N, classes).
        titles, scores: one for each image, what is explained.
        activations, gradients: by layer, (N, C, h, w); the gradients are of each image's own score.
        gates: by stage with an attention, (N, C), the factors by which it scales its channels.
        seconds: duration of both passes.
        device: type of the device that they ran on.
        forms: one for each image, how the head takes the activations of a network of one's own; empty otherwise.
        multi_label, temperature: how logits become probabilities; see `dala.explain.explanation.Explanation`.
    """

    logits: Tensor
    titles: tuple[str, ...]
    scores: tuple[Score, ...]
    activations: dict[str, Tensor]
    gradients: dict[str, Tensor]
    gates: dict[str, Tensor]
    seconds: float
    device: str
    forms: tuple[Form, ...] = ()
    multi_label: bool = False
    temperature: float = 1.0

    def to(self, device: torch.device) -> "Pass":
        """The same with its tensors on another device."""
        a, g, gates = (
            {k: v.to(device) for k, v in tensors.items()} for tensors in (self.activations, self.gradients, self.gates)
        )
        forms = tuple(form.to(device) for form in self.forms)
        return replace(self, logits=self.logits.to(device), activations=a, gradients=g, gates=gates, forms=forms)


class Engine:
    """A network cut into stages. Keeps no state between calls, registers no hook, changes no parameter's gradient.

    Args:
        stages: functions by name, in the order of the data.
        head: from the last stage's output to (N, classes) logits.
        device: to which inputs are moved; the stages are already there.

    Attributes:
        half: run the stages below the explained layer in fp16, with half the memory; from the layer on, fp32. Default
            on CUDA. Maps then differ from fp32's by up to 1 % of their maximum; EigenGrad-CAM's, whose components can
            be close together, by up to 3 % (tests/explain/test_engine.py). bf16 is less precise.
    """

    def __init__(self, stages: Mapping[str, Stage], head: Stage, device: torch.device) -> None:
        self.stages, self.last, self.device = dict(stages), head, device
        self.half = device.type == "cuda"

    @classmethod
    def of(cls, model: DALAResNet50, device: torch.device) -> "Engine":
        """An engine of a copy of the network as it is now, in fp32, folded and moved to a device."""
        with plain(device):
            fast = folded(model).to(memory_format=torch.channels_last).to(device)
        return cls({name: getattr(fast, name) for name in STAGES}, fast.head, device)

    def head(self, layer: str, form: Form | None = None) -> Stage:
        """The rest of the network from a layer's output on; `form` is of a network of one's own."""
        names = list(self.stages)
        rest = names[names.index(layer) + 1 :]

        def run(x: Tensor) -> Tensor:
            x = x.clone()  # a stage may change its input in place
            for name in rest:
                x = self.stages[name](x)
            return self.last(x)

        return run

    def network(self, x: Tensor, half: bool = False) -> Tensor:
        """(N, 3, H, W) -> (N, classes) logits, without a graph; `half` uses bf16 if the device is a CPU."""
        with plain(self.device), torch.no_grad(), self._mixed(half):
            for stage in self.stages.values():
                x = stage(x)
            return self.last(x).float()

    def run(self, x: Tensor, layers: Sequence[str], choose: Choose) -> Pass:
        """One forward pass, and one backward pass that ends at the lowest of the layers.

        Args:
            x: (N, 3, H, W) normalised images.
            layers: names of stages, one or more; several share both passes.
            choose: called once with the logits, (N, classes); returns title and score for each image.
        """
        began = time.perf_counter()
        x = x.to(self.device, memory_format=torch.channels_last)
        names = list(self.stages)
        gates: dict[str, Tensor] = {}
        lowest = min(names.index(layer) for layer in layers)
        with plain(self.device), torch.no_grad(), self._mixed():
            for name in names[: lowest + 1]:
                gates |= self._gate(name, x)
                x = self.stages[name](x)
        with plain(self.device), torch.enable_grad():
            a = x.float().detach().requires_grad_()
            outputs = {names[lowest]: a}
            a = a.clone()  # a stage may change its input in place
            for name in names[lowest + 1 :]:
                gates |= self._gate(name, a)
                a = self.stages[name](a)
                outputs |= {name: a} if name in layers else {}
            logits = self.last(a)
            titles, scores = zip(*choose(logits.detach()), strict=True)
            gradients = torch.autograd.grad(total_score(scores, logits), list(outputs.values()))
        return Pass(
            logits=logits.detach(),
            titles=titles,
            scores=scores,
            activations={name: a.detach() for name, a in outputs.items()},
            gradients=dict(zip(outputs, gradients, strict=True)),
            gates=gates,
            seconds=time.perf_counter() - began,
            device=self.device.type,
        )

    def maps(
        self,
        methods: Sequence[str],
        layer: str,
        x: Tensor | None,
        activations: Tensor,
        gradient: Tensor,
        scores: Sequence[Score],
        progress: Progress | None = None,
        forms: Sequence[Form] = (),
    ) -> dict[str, Tensor]:
        """Signed maps by method, (N, h, w) on the CPU.

        Args:
            methods: names from `dala.cam.METHODS`.
            layer: whose activations, (N, C, h, w), and gradient of the scores, (N, C, h, w), these are.
            x: (N, 3, H, W) normalised images; needed by methods that rerun the network.
            scores: one for each image.
            progress: called by methods that rerun the network.
            forms: one for each image of a network of one's own.

        Raises:
            MethodsError: a method of your own that writes into its arguments, which the other methods share.
        """
        rests = [self.head(layer, form) for form in forms] or [self.head(layer)] * len(scores)
        heads = [_after(head, score) for head, score in zip(rests, scores, strict=True)]
        networks = [_after(self.network, score) for score in scores]
        inputs = None if x is None else x.to(self.device)
        maps, shared = {}, [t for t in (inputs, activations, gradient) if t is not None and not t.is_inference()]
        versions = [t._version for t in shared]
        with plain(self.device), torch.no_grad():
            for name in methods:
                if cam.METHODS[name].reruns:
                    maps[name] = cam.METHODS[name](inputs, activations, networks, progress or _ignore)
                else:
                    maps[name] = cam.METHODS[name](activations, gradient, heads)
                if versions != [t._version for t in shared]:
                    raise cam.MethodsError(f"The method {name} writes into its arguments: let it work on a copy.")
        return {name: values.float().cpu() for name, values in maps.items()}

    @torch.no_grad()
    def _gate(self, name: str, x: Tensor) -> dict[str, Tensor]:
        gate = getattr(self.stages[name], "gate", None)
        return {name: gate(x).flatten(1).float()} if gate else {}

    def _mixed(self, half: bool = False) -> torch.autocast:
        if half and self.device.type == "cpu":
            return torch.autocast("cpu", torch.bfloat16)
        return torch.autocast(self.device.type, torch.float16, enabled=self.half)


@contextmanager
def plain(device: torch.device) -> Iterator[None]:
    """Whatever the caller has switched on, neither inference mode nor autocast. Gradients are on."""
    with torch.inference_mode(False), torch.autocast(device.type, enabled=False):
        yield


def _after(function: Stage, score: Score) -> Stage:
    return lambda x: score(function(x))


def _ignore(done: int, total: int) -> None:
    """A progress function that does nothing."""


def folded(model: DALAResNet50) -> DALAResNet50:
    """A copy of a network in evaluation mode whose batch-norms are folded into the convolutions before them.

    Fewer passes over memory, the same function up to float32 rounding: if the feature maps would differ by more than
    1e-5 of their largest value, the copy is not folded.
    """
    original, result = copy.deepcopy(model).float().eval(), copy.deepcopy(model).float().eval()
    # torchvision registers each batch-norm right after its convolution.
    for module in list(result.modules()):
        for (first, conv), (second, norm) in pairwise(list(module.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, first, fuse_conv_bn_eval(conv, norm))
                setattr(module, second, nn.Identity())
    noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float32, device="cpu")
    x = noise.to(next(model.parameters()).device)
    with torch.no_grad():
        expected, actual = original.features(x), result.features(x)
    return result if (actual - expected).abs().max() <= 1e-5 * expected.abs().max() else original
